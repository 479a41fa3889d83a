//! What the application does, as an input says: everything at once, and nothing is waited for.

use std::net::Ipv4Addr;

use embedded_io_async::{Read, Write};
use unik_net::{Error, Net, TcpStream, Verdict};

use super::{STREAMS, Script, World, once, words::RIGHT};

impl World {
    /// What the application does with its connections.
    pub(super) fn act_on_connections(&mut self, action: u8, script: &mut Script<'_>) {
        let which = usize::from(action >> 4) % STREAMS;
        let stream = self.streams.get_mut(which);
        match action % 16 {
            0 => self.listener = once(self.net.listen(80)).and_then(Result::ok).or(self.listener.take()),
            1 => self.listener = None,
            2..=4 => {
                let accepted = self.listener.as_mut().and_then(|listener| once(listener.accept()));
                if let Some(Ok((stream, _))) = accepted {
                    self.keep(stream);
                }
            }
            5 => self.connecting = Some(Box::pin(connect(self.net.clone(), RIGHT))),
            6 => self.connecting = Some(Box::pin(connect(self.net.clone(), Ipv4Addr::new(192, 0, 2, 1)))),
            7 => self.connecting = None,
            8 | 9 => {
                let mut bytes = [0; 512];
                let _ = stream.and_then(|stream| once(stream.read(&mut bytes)));
            }
            10 | 11 => {
                let bytes = vec![0x62; usize::from(script.byte().unwrap_or(0)) * 12];
                let _ = stream.and_then(|stream| once(stream.write(&bytes)));
            }
            12 => drop(stream.and_then(|stream| once(stream.close()))),
            13 => stream.into_iter().for_each(TcpStream::abort),
            14 => {
                let _ = stream.and_then(|stream| once(stream.flush()));
            }
            _ if which < self.streams.len() => drop(self.streams.remove(which)),
            _ => {}
        }
    }

    /// What it does with its datagrams.
    pub(super) fn act_on_datagrams(&mut self, action: u8, script: &mut Script<'_>) {
        match action % 8 {
            0 => self.udp = once(self.net.udp(9)).and_then(Result::ok).or(self.udp.take()),
            1 => self.udp = None,
            2 => {
                let handler = |_: &_, reply: &mut unik_net::Reply<'_>| match reply.payload().first() {
                    Some(0) => Verdict::Drop,
                    Some(1) => Verdict::Queue,
                    _ => Verdict::Answer,
                };
                self.answering = self.net.answer(7, handler).ok().or(self.answering.take());
            }
            3 => self.answering = None,
            4 | 5 => {
                let mut bytes = [0; 1500];
                let Some(socket) = &mut self.udp else { return };
                if let Some(Ok((length, sender))) = once(socket.receive_from(&mut bytes)) {
                    let _ = once(socket.send_to(&bytes[..length], sender));
                }
            }
            _ => {
                let to = [[10, 0, 0, 2], [10, 0, 0, 3], [192, 0, 2, 1], [10, 0, 0, action.min(200)]];
                let to = (to[usize::from(action >> 3) % 4], 5000).into();
                let bytes = script.bytes(usize::from(action));
                let _ = self.udp.as_mut().and_then(|socket| once(socket.send_to(bytes, to)));
            }
        }
    }

    pub(super) fn keep(&mut self, stream: TcpStream) {
        if self.streams.len() < STREAMS {
            self.streams.push(stream);
        }
    }
}

async fn connect(net: Net, to: Ipv4Addr) -> Result<TcpStream, Error> {
    net.connect((to, 80).into()).await
}
