//! squall-adapters
