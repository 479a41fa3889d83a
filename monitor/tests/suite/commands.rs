//! Commands of the appliance: they are followed once, answer line by line, and cost what they may.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use unik_monitor::frame::REPLY_LIMIT;
use unik_monitor::{ASK_LIMIT, Command, Commands, Declined, LINE_LIMIT, Line, Request, Session};

use crate::tool::{Appliance, ask, read_all, replies, request};

/// A table of as many rows as the arguments say; it remembers what it was called with.
#[derive(Default)]
pub(crate) struct Rows {
    started: Cell<u32>,
    positions: RefCell<Vec<u64>>,
}

impl Command for Rows {
    fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        self.started.set(self.started.get() + 1);
        if arguments.parse::<u64>().is_err() {
            write!(line, "'{arguments}' is no number of rows");
            return Err(Declined);
        }
        line.push("ROW\t SQUARE");
        Ok(Some(1))
    }

    fn next(&self, arguments: &str, position: u64, line: &mut Line) -> Option<u64> {
        self.positions.borrow_mut().push(position);
        let rows = arguments.parse().ok()?;
        (position <= rows).then(|| write!(line, "{position}\t{}", position * position))?;
        Some(position + 1)
    }
}

/// Writes its arguments so many times in one line, and nothing else.
pub(crate) struct Echo(pub(crate) usize);

impl Command for Echo {
    fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        (0..self.0).for_each(|_| line.push(arguments));
        Ok(None)
    }
}

/// An appliance with both, and what `rows` was called with.
fn appliance() -> (Appliance, Rc<Rows>) {
    let (appliance, rows) = (Appliance::default(), Rc::<Rows>::default());
    appliance.commands.register("rows", "So many rows.", rows.clone());
    appliance.commands.register("echo", "What was said.", Rc::new(Echo(1)));
    (appliance, rows)
}

fn run(number: u32, words: &str) -> Vec<u8> {
    request(number, Request::Ask { words })
}

fn line(text: &str) -> (u32, String) {
    (1, format!("Line {{ text: {text:?}, cut: false }}"))
}

fn done(number: u32) -> (u32, String) {
    (number, "Done".to_owned())
}

#[test]
fn commands_are_listed_in_the_order_in_which_they_were_registered() {
    let (mut session, (mut appliance, _)) = (Session::new(), appliance());
    let listed = ask(&mut session, &mut appliance, &request(1, Request::Commands));
    let command = |name: &str, help: &str| (1, format!("Command {{ name: {name:?}, help: {help:?} }}"));
    assert_eq!(listed, [command("rows", "So many rows."), command("echo", "What was said."), done(1)]);
    let none = ask(&mut session, &mut Appliance::default(), &request(1, Request::Commands));
    assert_eq!(none, [done(1)]);
}

#[test]
fn a_command_of_the_same_name_takes_the_place_of_the_first() {
    let (mut session, (mut appliance, rows)) = (Session::new(), appliance());
    appliance.commands.register("rows", "Another.", Rc::new(Echo(2)));
    assert_eq!(ask(&mut session, &mut appliance, &request(1, Request::Commands)).len(), 3);
    assert_eq!(ask(&mut session, &mut appliance, &run(1, "rows 7")), [line("77"), done(1)]);
    assert_eq!(rows.started.get(), 0);
}

#[test]
fn an_answer_is_its_lines_in_order_and_an_end() {
    let (mut session, (mut appliance, _)) = (Session::new(), appliance());
    let found = ask(&mut session, &mut appliance, &run(1, "rows 3"));
    assert_eq!(found, [line("ROW\t SQUARE"), line("1\t1"), line("2\t4"), line("3\t9"), done(1)]);
}

#[test]
fn a_command_that_says_nothing_has_an_answer_without_lines() {
    let (mut session, (mut appliance, _)) = (Session::new(), appliance());
    assert_eq!(ask(&mut session, &mut appliance, &run(1, "echo")), [done(1)]);
}

#[test]
fn a_command_is_followed_once_and_each_line_asked_for_once_however_small_the_portions() {
    let (mut session, (mut appliance, rows)) = (Session::new(), appliance());
    assert!(session.receive(&run(1, "rows 1000"), &mut appliance) > 0);
    let found = read_all(&mut session, &mut appliance, REPLY_LIMIT);
    assert_eq!(found.len(), 1 + 1000 + 1);
    assert_eq!(found[1000], line("1000\t1000000"));
    assert_eq!((rows.started.get(), rows.positions.take()), (1, (1..=1001).collect()));
}

#[test]
fn several_answers_are_under_way_and_each_has_its_own_lines() {
    let (mut session, (mut appliance, rows)) = (Session::new(), appliance());
    let all: Vec<u8> =
        (1..=8_u32).flat_map(|number| run(number, &format!("rows {}", number * 100))).collect();
    assert_eq!(session.receive(&all, &mut appliance), all.len());
    assert_eq!(rows.started.get(), 8, "each was begun as it came");
    let found = read_all(&mut session, &mut appliance, REPLY_LIMIT);
    for number in 1..=8 {
        let own: Vec<_> = found.iter().filter(|(of, _)| *of == number).collect();
        assert_eq!(own.len() as u32, 1 + number * 100 + 1);
        assert!(own[50].1.contains("50\\t2500"), "{:?}", own[50]);
    }
    assert_eq!(ask(&mut session, &mut appliance, &run(1, "echo a b")), [line("a b"), done(1)]);
}

#[test]
fn a_command_that_declines_says_why_and_that_is_all() {
    let (mut session, (mut appliance, _)) = (Session::new(), appliance());
    let found = ask(&mut session, &mut appliance, &run(1, "rows many"));
    let declined = "Declined { text: \"'many' is no number of rows\", cut: false }".to_owned();
    assert_eq!(found, [(1, declined), done(1)]);
    assert_eq!(appliance.commands.counters().declined.get(), 1);
}

#[test]
fn a_command_that_is_not_there_is_refused() {
    let (mut session, (mut appliance, _)) = (Session::new(), appliance());
    let refused = [(1, "Refused(NotFound)".to_owned())];
    assert_eq!(ask(&mut session, &mut appliance, &run(1, "row 3")), refused);
    assert_eq!(ask(&mut session, &mut Appliance::default(), &run(1, "rows 3")), refused);
}

#[test]
fn a_line_that_is_too_long_is_cut_between_letters_and_says_so() {
    let (mut session, (mut appliance, _)) = (Session::new(), appliance());
    // One byte, and then letters of three.
    let arguments = format!("a{}", "€".repeat((ASK_LIMIT - 6) / 3));
    appliance.commands.register("echo", "What was said.", Rc::new(Echo(100)));
    let found = ask(&mut session, &mut appliance, &run(1, &format!("echo {arguments}")));
    let text: String = arguments
        .repeat(100)
        .chars()
        .scan(0, |length, letter| {
            *length += letter.len_utf8();
            (*length <= LINE_LIMIT).then_some(letter)
        })
        .collect();
    assert_eq!(found, [(1, format!("Line {{ text: {text:?}, cut: true }}")), done(1)]);
    assert_eq!(appliance.commands.counters().cut.get(), 1);
}

#[test]
fn nothing_is_added_behind_a_cut() {
    struct Long;
    impl Command for Long {
        fn start(&self, _: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
            line.push(&"€".repeat(LINE_LIMIT));
            line.push("a");
            Ok(Some(0))
        }
        fn next(&self, _: &str, _: u64, line: &mut Line) -> Option<u64> {
            line.push(&"b".repeat(LINE_LIMIT));
            None
        }
    }
    let (mut session, mut appliance) = (Session::new(), Appliance::default());
    appliance.commands.register("long", "Too much.", Rc::new(Long));
    let found = ask(&mut session, &mut appliance, &run(1, "long"));
    assert!(found[0].1.ends_with("€\", cut: true }"), "{found:?}");
    assert_eq!(found[1], line(&"b".repeat(LINE_LIMIT)), "what is exactly as long as it may be is whole");
}

#[test]
fn answers_end_with_the_conversation() {
    let (mut session, (mut appliance, rows)) = (Session::new(), appliance());
    for _ in 0..20 {
        let all: Vec<u8> = (1..=8).flat_map(|number| run(number, "rows 1000")).collect();
        assert_eq!(session.receive(&all, &mut appliance), all.len());
        let mut portion = vec![0; REPLY_LIMIT];
        let length = session.fill(&mut appliance, &mut portion);
        assert!(!replies(&portion[..length]).iter().any(|(_, reply)| reply.contains("Refused")));
        session.restart(&mut appliance);
        assert_eq!(session.fill(&mut appliance, &mut portion), 0);
    }
    assert_eq!(rows.started.get(), 160);
    assert_eq!(Rc::strong_count(&rows), 2, "no answer holds it any more");
}

#[test]
fn more_answers_than_there_may_be_are_refused_before_the_command_is_called() {
    let (commands, rows) = (Commands::new(), Rc::<Rows>::default());
    commands.register("rows", "So many rows.", rows.clone());
    let begun = (0..100).filter(|_| commands.ask("rows 3").is_ok()).count();
    assert_eq!((begun as u32, rows.started.get()), (8, 8));
    assert_eq!(commands.counters().unable.get(), 92);
}

#[test]
fn a_command_may_register_another() {
    struct Registers(Rc<Commands>);
    impl Command for Registers {
        fn start(&self, _: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
            self.0.register("echo", "What was said.", Rc::new(Echo(1)));
            line.push("registered");
            Ok(Some(0))
        }
        fn next(&self, _: &str, _: u64, _: &mut Line) -> Option<u64> {
            self.0.register("more", "What was said.", Rc::new(Echo(1)));
            None
        }
    }
    let commands = Rc::new(Commands::new());
    commands.register("register", "Makes another.", Rc::new(Registers(commands.clone())));
    let position = commands.ask("register").unwrap();
    commands.list(unik_monitor::List::Answer, position, &mut |_, _| true);
    assert!(commands.ask("echo").is_ok() && commands.ask("more").is_ok());
}
