//! Histories, made from a seed (to come).
