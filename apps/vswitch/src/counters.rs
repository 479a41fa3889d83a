//! What is counted of each port, and of the switch.

unik_sched::counters! {
    /// What one port has done. A frame that is dropped is counted once, by its reason.
    pub struct PortCounters {
        /// Frames that came in.
        in_frames,
        /// Octets of these frames.
        in_octets,
        /// Frames that went out, copies included.
        out_frames,
        /// Octets of these frames.
        out_octets,
        /// Frames that came in and went to many ports.
        flooded,
        /// Addresses that were learned here.
        learned,
        /// Addresses that were learned here and had been elsewhere.
        moved,
        /// Dropped: shorter than a header.
        drop_short,
        /// Dropped: from a group, or from nobody.
        drop_source,
        /// Dropped: for bridges, of which none is passed on.
        drop_reserved,
        /// Dropped: the spanning tree keeps the port from forwarding.
        drop_blocked,
        /// Dropped: of a VLAN that the port is not in.
        drop_vlan,
        /// Dropped: with a tag, where none is taken, or without one.
        drop_tag,
        /// Dropped: for a station at the port that it came from.
        drop_local,
        /// Dropped: no port is left that it might go to.
        drop_nowhere,
        /// Dropped: too many to all stations.
        drop_broadcast,
        /// Dropped: too many to groups.
        drop_multicast,
        /// Dropped: too many to stations that nobody has heard of.
        drop_unknown,
        /// Not sent: the card had no room.
        out_no_room,
        /// Not sent: the card cannot, since it is too long or asks for what the card does not do.
        out_unfit,
        /// Not sent: there was no buffer for a copy.
        out_no_buffer,
    }
}

unik_sched::counters! {
    /// What the switch has done.
    pub struct SwitchCounters {
        /// Addresses that made way for others.
        evicted,
        /// Addresses that could not be learned, for all room is taken by configured ones.
        full,
        /// Addresses that were heard where they are not configured.
        misplaced,
        /// Addresses that were forgotten after silence.
        aged,
        /// Addresses that were forgotten since a port or the tree had changed.
        flushed,
        /// Changes of the tree that came too fast, so that what they are to make forgotten was forgotten a little later.
        flushes_put_off,
        /// Messages of other bridges.
        bpdus,
        /// Messages for bridges that are none, or came from here.
        bad_bpdus,
        /// Copies of frames for the port that mirrors.
        mirrored,
        /// Frames of the switch's own for which there was no buffer.
        no_buffer,
    }
}
