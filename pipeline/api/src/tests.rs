//! Tests on the in-memory log: rows go in as encoded changelog records, answers come out of the
//! routers.

mod any_head;
mod browsers;
mod dead_letters;
mod digests;
mod faulty;
mod identity;
mod kept;
mod keys;
mod lag;
mod message;
mod model;
mod operator;
mod paging;
mod pieces;
mod probes;
mod public;
mod records;
mod replica;
mod serve;
mod small;
mod strangers;
mod support;
mod tail;
mod tenants;
