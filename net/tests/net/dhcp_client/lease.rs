//! What of a server's answer becomes a lease.

use unik_net::dhcp::Route;

use super::*;

/// The lease that such an offer and acknowledgement make, if they are taken.
fn granted(change: impl Fn(Answer) -> Answer) -> Option<Lease> {
    let mut conversation = Conversation::new();
    let discover = conversation.next();
    if !conversation.hear(change(discover.answer(OFFER))) {
        return None;
    }
    let request = conversation.next();
    assert!(conversation.hear(change(request.answer(ACK))), "what was good in an offer is good in a lease");
    Some(conversation.lease())
}

/// The lease that routes make of the honest one: its gateway and its other routes.
fn routed(mask: [u8; 4], option: &[u8]) -> (Option<Ipv4Addr>, Vec<Route>, u16) {
    let lease = granted(|answer| answer.with(1, &mask).with(121, option)).expect("it is taken");
    (lease.gateway, lease.routes.into_iter().flatten().collect(), lease.left_out)
}

fn route(destination: [u8; 4], prefix: u8, via: Option<[u8; 4]>) -> Route {
    Route { destination: destination.into(), prefix, via: via.map(Ipv4Addr::from) }
}

const MASK: [u8; 4] = [255, 255, 255, 0];
const ALONE: [u8; 4] = [255; 4];

#[test]
fn a_mask_is_a_prefix_or_no_mask() {
    let prefix = |mask: &[u8]| granted(|answer| answer.with(1, mask)).map(|lease| lease.prefix);
    for length in 1..=29 {
        let mask = u32::MAX << (32 - length);
        assert_eq!(prefix(&mask.to_be_bytes()), Some(length));
    }
    assert_eq!((prefix(&[255, 255, 255, 254]), prefix(&ALONE)), (Some(31), Some(32)));
    for wrong in [[0, 0, 0, 0], [255, 0, 255, 0], [255, 255, 255, 1], [0, 255, 255, 0], [127, 255, 255, 0]] {
        assert_eq!(prefix(&wrong), None, "{wrong:?}");
    }
    assert_eq!((prefix(&[255]), prefix(&[255, 255, 255, 0, 0])), (None, None));
}

#[test]
fn without_a_mask_the_class_of_the_address_says_it() {
    for (address, prefix) in [
        ([10, 0, 0, 33], 8),
        ([126, 0, 0, 1], 8),
        ([128, 1, 0, 1], 16),
        ([191, 1, 0, 1], 16),
        ([192, 0, 2, 1], 24),
    ] {
        let lease = granted(|answer| answer.without(1).of(address.into())).expect("it is taken");
        assert_eq!((lease.address, lease.prefix), (Ipv4Addr::from(address), prefix));
    }
}

#[test]
fn addresses_that_no_host_can_have_are_not_taken() {
    for address in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [10, 0, 0, 0],
        [10, 0, 0, 255],
    ] {
        assert_eq!(granted(|answer| answer.of(address.into())), None, "{address:?}");
    }
    // A network of two addresses has two hosts (RFC 3021), and one of a single address has that.
    for address in [[10, 0, 0, 0], [10, 0, 0, 255]] {
        for mask in [[255, 255, 255, 254], ALONE] {
            assert!(granted(|answer| answer.of(address.into()).with(1, &mask)).is_some());
        }
    }
}

#[test]
fn a_server_says_who_it_is() {
    assert_eq!(granted(|answer| answer.without(54)), None);
    assert_eq!(granted(|answer| answer.with(54, &[10, 0, 0])), None);
    for server in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, [224, 0, 0, 1].into()] {
        assert_eq!(granted(|answer| answer.from(server)), None, "{server} is nobody's");
    }
    let far = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(granted(|answer| answer.from(far)).map(|lease| lease.server), Some(far));
}

#[test]
fn the_gateway_is_the_first_router_that_can_be_reached() {
    let gateway = |mask: [u8; 4], routers: &[[u8; 4]]| {
        let lease = granted(|answer| answer.with(1, &mask).with(3, routers.as_flattened()));
        lease.expect("it is taken").gateway
    };
    let near = Some(Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(gateway(MASK, &[]), None);
    assert_eq!(gateway(MASK, &[[10, 0, 0, 1], [10, 0, 0, 2]]), near);
    let wrong = [[10, 0, 1, 1], [10, 0, 0, 33], [10, 0, 0, 0], [10, 0, 0, 255], [0, 0, 0, 0], [127, 0, 0, 1]];
    assert_eq!(gateway(MASK, &wrong), None);
    assert_eq!(gateway(MASK, &[&wrong[..], &[[10, 0, 0, 1]]].concat()), near);
    // One that has a network to itself alone has its router outside of it.
    assert_eq!(gateway(ALONE, &[[10, 0, 0, 33], [0, 0, 0, 0], [10, 0, 0, 1]]), near);
    assert_eq!(gateway(ALONE, &[[192, 0, 2, 1]]), Some(Ipv4Addr::new(192, 0, 2, 1)));
    let lease = granted(|answer| answer.with(3, &[10, 0, 0])).expect("it is taken");
    assert_eq!(lease.gateway, None, "three bytes are no router");
}

#[test]
fn routes_count_instead_of_the_routers() {
    let via = [10, 0, 0, 7];
    let (gateway, routes, left_out) = routed(MASK, &[0, 10, 0, 0, 7]);
    assert_eq!((gateway, routes, left_out), (Some(via.into()), vec![], 0));
    let (gateway, routes, _) = routed(MASK, &[24, 192, 0, 2, 10, 0, 0, 7]);
    assert_eq!(
        (gateway, routes),
        (None, vec![route([192, 0, 2, 0], 24, Some(via))]),
        "not even to everywhere"
    );
    // The examples of RFC 3442 for the widths.
    let option = [
        &[8, 10, 10, 0, 0, 7][..],
        &[16, 10, 17, 10, 0, 0, 7],
        &[25, 10, 229, 0, 128, 10, 0, 0, 7],
        &[32, 10, 198, 122, 47, 10, 0, 0, 7],
    ]
    .concat();
    let (_, routes, _) = routed(MASK, &option);
    let expected =
        [([10, 0, 0, 0], 8), ([10, 17, 0, 0], 16), ([10, 229, 0, 128], 25), ([10, 198, 122, 47], 32)];
    assert_eq!(routes, expected.map(|(destination, prefix)| route(destination, prefix, Some(via))));
}

#[test]
fn a_router_is_reached_by_a_route_on_the_wire_wherever_that_stands() {
    let on_wire = [32, 192, 0, 2, 1, 0, 0, 0, 0];
    let default = [0, 192, 0, 2, 1];
    for mask in [MASK, ALONE] {
        for option in [[&on_wire[..], &default], [&default, &on_wire]] {
            let (gateway, routes, _) = routed(mask, &option.concat());
            assert_eq!(gateway, Some(Ipv4Addr::new(192, 0, 2, 1)));
            assert_eq!(routes, [route([192, 0, 2, 1], 32, None)]);
        }
    }
    let (gateway, routes, _) = routed(MASK, &[&default[..], &[8, 11, 192, 0, 2, 1]].concat());
    assert_eq!((gateway, routes), (None, vec![]), "nobody knows where that router is");
    let far = [&[24, 192, 0, 2, 10, 0, 0, 7][..], &default].concat();
    assert_eq!(routed(MASK, &far).0, None, "a router behind another one is no neighbour");
    for nobody in [[127, 0, 0, 1], [224, 0, 0, 1], [255; 4], [10, 0, 0, 33]] {
        let option = [&[0][..], &nobody, &[8, 11], &nobody].concat();
        assert_eq!(routed(ALONE, &option), (None, vec![], 0), "{nobody:?} is no router");
    }
    let (gateway, routes, _) = routed(MASK, &[0, 0, 0, 0, 0]);
    assert_eq!((gateway, routes), (None, vec![route([0; 4], 0, None)]), "everything is on the wire");
}

#[test]
fn more_routes_than_there_is_room_for_are_counted_and_the_gateway_is_found_behind_them() {
    let mut option: Vec<_> = (1..=6).flat_map(|net| [16, 172, net, 10, 0, 0, 7]).collect();
    option.extend([0, 10, 0, 0, 9, 0, 10, 0, 0, 8]);
    let (gateway, routes, left_out) = routed(MASK, &option);
    assert_eq!((gateway, left_out), (Some(Ipv4Addr::new(10, 0, 0, 9)), 2));
    assert_eq!(routes.iter().map(|route| route.destination.octets()[1]).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn bits_behind_the_prefix_of_a_route_do_not_count() {
    let (_, routes, _) = routed(MASK, &[20, 172, 16, 255, 10, 0, 0, 7, 1, 255, 10, 0, 0, 7]);
    assert_eq!(
        routes,
        [route([172, 16, 240, 0], 20, Some([10, 0, 0, 7])), route([128, 0, 0, 0], 1, Some([10, 0, 0, 7])),]
    );
}

#[test]
fn routes_behind_one_that_makes_no_sense_are_not_looked_at() {
    let good = [24, 192, 0, 2, 10, 0, 0, 7];
    for bad in [&[33, 1, 2, 3, 4, 5, 10, 0, 0, 7][..], &[255], &[24, 192, 0, 2, 10, 0, 0], &[32, 1, 2]] {
        let (gateway, routes, _) = routed(MASK, &[&good[..], bad].concat());
        assert_eq!((gateway, routes), (None, vec![route([192, 0, 2, 0], 24, Some([10, 0, 0, 7]))]));
    }
}

#[test]
fn three_servers_of_names_that_hosts_can_be_are_kept_and_others_counted() {
    let told = |servers: &[[u8; 4]]| {
        let lease = granted(|answer| answer.with(6, servers.as_flattened())).expect("it is taken");
        (
            lease.name_servers.into_iter().flatten().map(|server| server.octets()).collect::<Vec<_>>(),
            lease.left_out,
        )
    };
    assert_eq!(told(&[]), (vec![], 0));
    assert_eq!(told(&[[9, 9, 9, 9]]), (vec![[9, 9, 9, 9]], 0));
    let many = [[0; 4], [1; 4], [127, 0, 0, 53], [2; 4], [255; 4], [3; 4], [4; 4], [224, 0, 0, 251], [5; 4]];
    assert_eq!(told(&many), (vec![[1; 4], [2; 4], [3; 4]], 2));
}

#[test]
fn a_limit_of_packets_below_what_every_host_takes_is_not_believed() {
    let mtu = |data: &[u8]| granted(|answer| answer.with(26, data)).expect("it is taken").mtu;
    assert_eq!(mtu(&1400_u16.to_be_bytes()), Some(1400));
    assert_eq!((mtu(&576_u16.to_be_bytes()), mtu(&u16::MAX.to_be_bytes())), (Some(576), Some(u16::MAX)));
    assert_eq!(
        (mtu(&575_u16.to_be_bytes()), mtu(&[0, 0]), mtu(&[5]), mtu(&[0, 0, 5, 220])),
        (None, None, None, None)
    );
}

#[test]
fn options_stand_in_the_fields_for_a_file_and_a_name_where_the_server_says_so() {
    let (servers, mtu) = ([6, 4, 9, 9, 9, 9, 255], [26, 2, 5, 120, 255]);
    for overload in 0..4 {
        let lease = granted(|mut answer| {
            (answer.file, answer.name) = (servers.to_vec(), mtu.to_vec());
            answer.with(52, &[overload])
        });
        let lease = lease.expect("it is taken");
        assert_eq!(
            (lease.name_servers[0].is_some(), lease.mtu.is_some()),
            (overload & 1 != 0, overload & 2 != 0)
        );
    }
    let lease = granted(|mut answer| {
        (answer.file, answer.name) = (vec![26, 2, 5, 121], mtu.to_vec());
        answer.with(52, &[3])
    });
    assert_eq!(lease.and_then(|lease| lease.mtu), Some(1401), "the file comes first");
    let lease = granted(|mut answer| {
        (answer.file, answer.name) = (mtu.to_vec(), mtu.to_vec());
        answer.with(52, &[3]).with(26, &[5, 122])
    });
    assert_eq!(lease.and_then(|lease| lease.mtu), Some(1402), "and before it the options themselves");
    let lease = granted(|mut answer| {
        answer.file = vec![0, 0, 53, 1, answer.options[0].1[0], 255];
        answer.without(53).with(52, &[1])
    });
    assert!(lease.is_some(), "even what kind of message it is");
}

#[test]
fn padding_is_skipped_and_an_end_can_be_missing() {
    let mut conversation = Conversation::new();
    let discover = conversation.next();
    let mut message = discover.answer(OFFER).bytes();
    assert_eq!(message.pop(), Some(255));
    message.splice(240..240, [0; 9]);
    assert!(conversation.client.receive(conversation.now, &message));
}

#[test]
fn what_stands_behind_the_end_or_behind_an_option_that_is_cut_off_is_not_read() {
    let cases = [
        (&[0][..], true),
        (&[255], false),
        (&[255, 0], false),
        (&[200, 0], true),
        (&[200, 255], false),
        (&[6, 255], false),
    ];
    for (between, is_read) in cases {
        let mut conversation = Conversation::new();
        let discover = conversation.next();
        assert!(conversation.hear(discover.answer(OFFER)));
        let mut message = conversation.next().answer(ACK).bytes();
        message.pop();
        message.extend(between);
        message.extend([6, 4, 9, 9, 9, 9]);
        assert!(conversation.client.receive(conversation.now, &message));
        assert_eq!(conversation.lease().name_servers[0].is_some(), is_read, "{between:?}");
    }
}

#[test]
fn of_two_options_of_a_kind_the_first_counts() {
    let mut conversation = Conversation::new();
    let mut answer = conversation.next().answer(OFFER);
    answer.options.push((54, OTHER.octets().to_vec()));
    assert!(conversation.hear(answer));
    assert_eq!(conversation.next().server, Some(SERVER));
}

#[test]
fn what_is_no_message_of_a_server_is_none() {
    let mut conversation = Conversation::new();
    let good = conversation.next().answer(OFFER).bytes();
    let first_options = 240 + 3 + 6;
    for length in 0..first_options {
        assert!(!conversation.client.receive(conversation.now, &good[..length]), "{length} bytes");
    }
    // Who speaks, the kind and length of hardware addresses, the transaction, the hardware address, the cookie.
    for at in [0..3, 4..8, 28..34, 236..240].into_iter().flatten() {
        for bit in 0..8 {
            let mut message = good.clone();
            message[at] ^= 1 << bit;
            assert!(!conversation.client.receive(conversation.now, &message), "byte {at}");
        }
    }
    assert!(conversation.client.receive(conversation.now, &good));
}
