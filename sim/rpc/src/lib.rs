//! squall-rpc
