//! squall-world
