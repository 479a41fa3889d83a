//! Connections with TLS, or without it: which one is said where controllers are named.

use super::Error;
use super::stream::{Stream, Trouble};
use crate::settings::{OpenFlowSettings, Transport};
use crate::tls::{self, Channel, Tls};
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::task::{Context, Poll, ready};
use unik::net::{Net, TcpStream};
use unik::{Files, NetClock};

/// What tells the date to TLS.
pub use unik::NetClock as Wall;

/// Where connections come from: key, certificates and date, where any of them is to have TLS.
#[derive(Clone)]
pub(super) struct Door {
    tls: Option<Rc<Tls>>,
    clock: NetClock,
}

impl Door {
    /// Reads key and certificates out of the data, if the settings want them.
    pub(super) fn open(
        settings: &OpenFlowSettings,
        files: Option<&Files>,
        clock: NetClock,
    ) -> Result<Self, Error> {
        let tls = if settings.has_tls() {
            Some(Rc::new(Tls::load(&|name| files?.read(name)).map_err(Error::Tls)?))
        } else {
            None
        };
        Ok(Self { tls, clock })
    }

    /// Asks for the date through `net`, where a server is named and anybody needs it.
    pub(super) fn follow(&self, net: &Net) {
        if self.tls.is_some() {
            self.clock.follow(net);
        }
    }

    /// What a connection becomes, with a controller that was called, or has called.
    pub(super) fn enter(
        &self,
        stream: TcpStream,
        transport: Transport,
        is_called: bool,
    ) -> Result<Line, Trouble> {
        let Some(tls) = self.tls.as_ref().filter(|_| transport == Transport::Tls) else {
            return Ok(Line::Plain(stream));
        };
        let channel = tls.begin(is_called).ok_or(Trouble::Memory)?;
        let clock = self.clock.clone();
        let mut secure = Secure { stream, channel, clock };
        secure.channel.begin(secure.date())?;
        Ok(Line::Secure(Box::new(secure)))
    }
}

impl From<tls::Trouble> for Trouble {
    fn from(trouble: tls::Trouble) -> Self {
        match trouble {
            tls::Trouble::Memory => Self::Memory,
            tls::Trouble::Refused(sentence) => Self::Refused(sentence),
        }
    }
}

/// A connection of either kind.
pub(super) enum Line {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

impl Line {
    fn stream(&mut self) -> &mut dyn Stream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(secure) => &mut **secure,
        }
    }
}

impl Stream for Line {
    fn poll_read(&mut self, space: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        self.stream().poll_read(space, context)
    }

    fn poll_write(&mut self, octets: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        self.stream().poll_write(octets, context)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        self.stream().poll_flush(context)
    }

    fn end(&mut self) {
        self.stream().end();
    }

    fn abort(&mut self) {
        self.stream().abort();
    }
}

/// A connection with TLS.
pub(super) struct Secure {
    stream: TcpStream,
    channel: Channel,
    clock: NetClock,
}

impl Secure {
    /// Seconds since the Unix epoch.
    fn date(&self) -> Option<u64> {
        self.clock.since_epoch().map(|since| since.as_secs())
    }
}

impl Stream for Secure {
    fn poll_read(&mut self, space: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        loop {
            let count = self.channel.read(space);
            if count > 0 || self.channel.is_over() {
                return Poll::Ready(Ok(count));
            }
            // The other side may wait for what is to be sent; whether there is room for it is no matter here.
            if let Poll::Ready(Err(trouble)) = self.poll_flush(context) {
                return Poll::Ready(Err(trouble));
            }
            let count = ready!(self.stream.poll_read(self.channel.space()?, context))?;
            if count == 0 {
                // Whether that was meant is no matter: of a message that is not complete nothing is done.
                return Poll::Ready(Ok(0));
            }
            let (was_open, now) = (self.channel.is_open(), self.date());
            self.channel.received(count, now)?;
            if self.channel.is_open() && !was_open {
                // From now on there is room for what waits to be said.
                context.waker().wake_by_ref();
            }
        }
    }

    fn poll_write(&mut self, octets: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        ready!(self.poll_flush(context))?;
        if !self.channel.has_room() {
            // It wakes when it has.
            return Poll::Pending;
        }
        let count = self.channel.write(octets)?;
        match self.poll_flush(context) {
            Poll::Ready(Err(trouble)) => Poll::Ready(Err(trouble)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        while !self.channel.output().is_empty() {
            let count = ready!(self.stream.poll_write(self.channel.output(), context))?;
            self.channel.sent(count);
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self) {
        self.channel.end();
    }

    fn abort(&mut self) {
        self.stream.abort();
    }
}
