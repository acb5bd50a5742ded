//! squall-checker
