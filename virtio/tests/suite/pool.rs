//! The pool and its buffers, without any device.

use unik_virtio::{Buffer, Error, Pool};

#[test]
fn an_exhausted_pool_says_so_and_counts() {
    let pool = Pool::heap(2);
    let first = pool.allocate().unwrap();
    let second = pool.allocate().unwrap();
    assert!(pool.allocate().is_none());
    assert!(pool.clone().allocate().is_none());
    assert_eq!((pool.available(), pool.capacity(), pool.exhausted()), (0, 2, 2));
    drop(first);
    assert_eq!(pool.available(), 1);
    assert!(pool.allocate().is_some());
    drop(second);
    assert_eq!((pool.available(), pool.exhausted()), (2, 2));
}

#[test]
fn the_buffer_used_last_is_given_out_next() {
    let pool = Pool::heap(4);
    let buffer = pool.allocate().unwrap();
    let place = buffer.as_ptr();
    drop(buffer);
    assert_eq!(pool.allocate().unwrap().as_ptr(), place);
}

#[test]
fn buffers_do_not_overlap() {
    let pool = Pool::heap(3);
    let mut buffers: Vec<Buffer> = std::iter::from_fn(|| pool.allocate()).collect();
    for (number, buffer) in (1..).zip(&mut buffers) {
        buffer.grow_front(Buffer::HEADROOM).unwrap();
        buffer.set_len(buffer.room()).unwrap();
        buffer.fill(number);
    }
    for (number, buffer) in (1..).zip(&buffers) {
        assert_eq!(buffer.len(), Buffer::HEADROOM + Buffer::CAPACITY);
        assert!(buffer.iter().all(|&byte| byte == number));
    }
}

#[test]
fn a_new_buffer_is_empty_and_has_headroom() {
    let pool = Pool::heap(1);
    let mut buffer = pool.allocate().unwrap();
    assert!(buffer.is_empty());
    assert_eq!(buffer.headroom(), Buffer::HEADROOM);
    assert_eq!(buffer.room(), Buffer::CAPACITY);
    buffer.copy_from(b"payload").unwrap();
    buffer.trim_front(3).unwrap();
    drop(buffer);
    let buffer = pool.allocate().unwrap();
    assert_eq!((buffer.len(), buffer.headroom()), (0, Buffer::HEADROOM));
    assert_eq!(buffer.pool().capacity(), 1);
}

#[test]
fn the_length_ends_with_the_buffer() {
    let mut buffer = Pool::heap(1).allocate().unwrap();
    assert_eq!(buffer.set_len(Buffer::CAPACITY + 1), Err(Error::TooLong));
    assert_eq!(buffer.set_len(usize::MAX), Err(Error::TooLong));
    assert_eq!(buffer.set_len(0x1_0000), Err(Error::TooLong));
    assert_eq!(buffer.copy_from(&[0; Buffer::CAPACITY + 1]), Err(Error::TooLong));
    assert_eq!(buffer.len(), 0);
    buffer.copy_from(&[1; Buffer::CAPACITY]).unwrap();
    buffer.trim_front(100).unwrap();
    assert_eq!(buffer.set_len(Buffer::CAPACITY), Err(Error::TooLong));
    assert_eq!(buffer.room(), Buffer::CAPACITY - 100);
}

#[test]
fn headers_are_put_in_front_and_taken_off() {
    let mut buffer = Pool::heap(1).allocate().unwrap();
    buffer.copy_from(b"payload").unwrap();
    buffer.grow_front(4).unwrap().copy_from_slice(b"udp:");
    buffer.grow_front(3).unwrap().copy_from_slice(b"ip:");
    assert_eq!(&buffer[..], b"ip:udp:payload");
    assert!(buffer.grow_front(Buffer::HEADROOM).is_none());
    assert!(buffer.grow_front(usize::MAX).is_none());
    buffer.trim_front(7).unwrap();
    assert_eq!(&buffer[..], b"payload");
    assert!(buffer.trim_front(8).is_none());
    assert!(buffer.trim_front(usize::MAX).is_none());
    assert_eq!(&buffer[..], b"payload");
    buffer.trim_front(7).unwrap();
    assert!(buffer.is_empty());
    buffer.reset();
    assert_eq!(buffer.headroom(), Buffer::HEADROOM);
}
