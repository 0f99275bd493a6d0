#![allow(clippy::expect_used)]
