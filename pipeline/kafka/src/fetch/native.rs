//! librdkafka's batch call, which rdkafka does not wrap: messages of many partitions through one
//! queue, and the offset at which a partition's end was met (rdkafka's event names neither the
//! topic nor the offset, and a transaction's marker takes an offset that no message has).
//!
//! The only unsafe code of rollcall (docs/decisions/0009).
#![expect(unsafe_code, reason = "calls into librdkafka")]

use std::ffi::{CStr, CString, c_void};
use std::ptr::{NonNull, null, null_mut};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::RDKafkaRespErr;
use rollcall_log::Stored;
use rollcall_model::Millis;

/// Messages taken from the queue with one call.
const BATCH: usize = 1_000;

/// Something that came for a partition.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A record.
    Record(Stored),
    /// All before this offset has come; nothing is there yet from here on.
    End(u64),
    /// The partition cannot be read any more from where it was.
    Failed(RDKafkaRespErr),
}

/// The queue of one consumer: what comes for all its partitions.
///
/// librdkafka leads each partition there by itself whenever it is assigned; a queue of our own
/// would have to be set again after each assignment, at a moment that nobody tells.
pub(crate) struct Queue<C: ConsumerContext + 'static> {
    queue: NonNull<native::rd_kafka_queue_t>,
    messages: Vec<*mut native::rd_kafka_message_t>,
    // Dropped after the queue, which belongs to it.
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's handles may be used from any thread; `messages` is empty between calls.
unsafe impl<C: ConsumerContext> Send for Queue<C> {}

impl<C: ConsumerContext> Queue<C> {
    /// The queue of `consumer`.
    pub(crate) fn new(consumer: Arc<BaseConsumer<C>>) -> Option<Self> {
        // SAFETY: the pointer is the consumer's own, and alive as long as it is.
        let queue = unsafe { native::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        Some(Self {
            queue: NonNull::new(queue)?,
            messages: vec![null_mut(); BATCH],
            consumer,
        })
    }

    /// The consumer.
    pub(crate) fn consumer(&self) -> &BaseConsumer<C> {
        &self.consumer
    }

    /// Waits for something to come, then gives all that is there, at most [`BATCH`].
    pub(crate) fn poll(
        &mut self,
        wait: Duration,
        mut take: impl FnMut(&[u8], u32, Arrived),
    ) -> usize {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the batch call writes at most as many pointers as there is
        // room for, and each of them is ours to destroy.
        let count = unsafe {
            let first = native::rd_kafka_consume_queue(self.queue.as_ptr(), wait_ms);
            if first.is_null() {
                return 0;
            }
            self.messages[0] = first;
            let rest = &mut self.messages[1..];
            let more = native::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                0,
                rest.as_mut_ptr(),
                rest.len(),
            );
            1 + usize::try_from(more).unwrap_or(0)
        };
        for message in &self.messages[..count] {
            // SAFETY: librdkafka gave it, and it is destroyed once, after its last use.
            unsafe {
                let message = *message;
                if let Some((topic, partition, arrived)) = arrived(message) {
                    take(topic, partition, arrived);
                }
                native::rd_kafka_message_destroy(message);
            }
        }
        count
    }
}

impl<C: ConsumerContext> Drop for Queue<C> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once, before the consumer.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Tells a client of brokers, in case it has forgotten them.
pub(crate) fn add_brokers<C: ClientContext>(client: &Client<C>, brokers: &str) {
    let Ok(brokers) = CString::new(brokers) else {
        return;
    };
    // SAFETY: the client is alive, and the text ends in 0.
    unsafe { native::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr()) };
}

/// Makes a client fail for good, as librdkafka has it for tests.
#[cfg(test)]
pub(crate) fn fail_for_good<C: ClientContext>(client: &Client<C>) {
    let code = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    // SAFETY: the client is alive, and the text ends in 0.
    unsafe {
        native::rd_kafka_test_fatal_error(client.native_ptr(), code, c"a test".as_ptr());
    }
}

/// What `message` says, and of which topic and partition.
///
/// # Safety
/// `message` is a live message of librdkafka's, and outlives what is given.
unsafe fn arrived<'a>(
    message: *mut native::rd_kafka_message_t,
) -> Option<(&'a [u8], u32, Arrived)> {
    // SAFETY: as the caller promises; a message of a topic holds its topic.
    unsafe {
        let it = &*message;
        if it.rkt.is_null() {
            return None;
        }
        let topic = CStr::from_ptr(native::rd_kafka_topic_name(it.rkt)).to_bytes();
        let partition = u32::try_from(it.partition).ok()?;
        let offset = u64::try_from(it.offset);
        let arrived = match it.err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Arrived::Record(stored(message)?),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => Arrived::End(offset.ok()?),
            other => Arrived::Failed(other),
        };
        Some((topic, partition, arrived))
    }
}

/// The record in `message`.
///
/// # Safety
/// As for [`arrived`]; it carries no error.
unsafe fn stored(message: *mut native::rd_kafka_message_t) -> Option<Stored> {
    // SAFETY: as the caller promises: pointers are null or of the length that stands beside them.
    unsafe {
        let it = &*message;
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let appended_at = native::rd_kafka_message_timestamp(message, &mut kind);
        Some(Stored {
            offset: u64::try_from(it.offset).ok()?,
            appended_at: Millis(appended_at.max(0)),
            key: bytes(it.key, it.key_len),
            value: bytes(it.payload, it.len),
            headers: headers(message),
        })
    }
}

/// # Safety
/// As for [`stored`].
unsafe fn headers(message: *mut native::rd_kafka_message_t) -> Vec<(String, Bytes)> {
    let mut list = null_mut();
    let mut found = Vec::new();
    // SAFETY: as the caller promises; names end in 0, and all of it lives as long as the message.
    unsafe {
        let got = native::rd_kafka_message_headers(message, &mut list);
        if got != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return found;
        }
        loop {
            let (mut name, mut value, mut length) = (null(), null(), 0);
            let got = native::rd_kafka_header_get_all(
                list,
                found.len(),
                &mut name,
                &mut value,
                &mut length,
            );
            if got != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return found;
            }
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            let value = bytes(value.cast_mut(), length).unwrap_or_default();
            found.push((name, value));
        }
    }
}

/// # Safety
/// `at` is null, or `length` bytes are there.
unsafe fn bytes(at: *mut c_void, length: usize) -> Option<Bytes> {
    if at.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(Bytes::copy_from_slice(unsafe {
        slice::from_raw_parts(at.cast::<u8>(), length)
    }))
}
