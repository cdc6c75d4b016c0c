//! Tests on repositories that are built by code, each saying what is special about it.

mod checkout;
mod clones;
mod fixture;
mod ranges;
mod series;
