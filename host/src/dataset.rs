//! Placeholder while the skeleton stands.
