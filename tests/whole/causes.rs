//! The other causes of a halt.
