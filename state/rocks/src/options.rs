//! RocksDB's options: everything follows from one memory figure (anchors/stream-engine.md section
//! 4.3).
//!
//! This file knows nothing of keys; how many partitions there are changes nothing here, since all
//! share one cache and one bound for their write buffers.

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType, LogLevel, Options,
    WriteBufferManager,
};

/// Less memory than this is not a store but a disk benchmark: a smaller figure counts as this one.
const MEMORY_BYTES_MIN: usize = 16 * MIB;

/// Files held open at once. The process has 20,000 (anchors/libraries.md) and needs most of them
/// for devices; 512 files of 64 MiB are more than ten million rows.
const OPEN_FILES_MAX: i32 = 512;

/// Largest write buffer of one partition: beyond this, flushes get rarer but replay after a crash
/// longer.
const WRITE_BUFFER_BYTES_MAX: usize = 64 * MIB;

/// Write buffers get this part of the memory; blocks, filters and indexes the rest.
const WRITE_BUFFERS_PART: usize = 4;

/// Bits per key of the bloom filters: 1 % false positives.
const BLOOM_BITS: f64 = 10.0;

const MIB: usize = 1024 * 1024;

const _: () = assert!(MEMORY_BYTES_MIN / WRITE_BUFFERS_PART >= 2 * MIB);

/// Options of the database and of each column family. They share the cache, so one value serves
/// all.
pub(crate) fn options(memory_bytes: usize) -> Options {
    let memory_bytes = memory_bytes.max(MEMORY_BYTES_MIN);
    let write_buffers_bytes = memory_bytes / WRITE_BUFFERS_PART;
    // 0: let the cache find out how large its entries are.
    let cache = Cache::new_hyper_clock_cache(memory_bytes, 0);
    // Charged to the cache, so that both together stay under the one figure. No stall: the bound is
    // soft for the moment of a flush, and a fold never waits for it.
    let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
        write_buffers_bytes,
        false,
        cache.clone(),
    );
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_manager(&write_buffers);
    // Two of them fit, so that one can be written while the other is flushed.
    options.set_write_buffer_size((write_buffers_bytes / 2).min(WRITE_BUFFER_BYTES_MAX));
    options.set_max_write_buffer_number(4);
    options.set_block_based_table_factory(&table(&cache));
    // New clients are looked up in vain first; the filter answers without walking the skip list.
    options.set_memtable_prefix_bloom_ratio(0.1);
    options.set_memtable_whole_key_filtering(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_max_subcompactions(2);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(4 * MIB);
    options.set_keep_log_file_num(4);
    options
}

/// Options of a file that is handed over to a column family. They need no cache.
pub(crate) fn file_options() -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks());
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = blocks();
    table.set_block_cache(cache);
    // Inside the cache, so that the memory figure holds for them too; the newest level's stay
    // there.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table
}

/// How files are laid out.
fn blocks() -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_size(8 * 1024);
    table.set_format_version(6);
    table.set_bloom_filter(BLOOM_BITS, false);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table
}
