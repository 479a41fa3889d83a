//! The guest's end of the channel: conversations, the driver against a modelled device, and hosts that misbehave.

mod commands;
mod console;
mod session;
mod tool;
