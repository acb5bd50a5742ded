//! squall-scenario
