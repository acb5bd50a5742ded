//! squall-cluster
