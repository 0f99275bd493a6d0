//! The grammar: from a rule's text to a tree. Names and what they mean come later, in `compile`.
//!
//! ```text
//! rule    = NAME ":" ( "if" cond "then" actions [ "else" actions ] | "on" "timer" NAME "then" actions )
//! cond    = or [ "for" DURATION ]
//! or      = and { "or" and }
//! and     = not { "and" not }
//! not     = { "not" } ( "(" cond ")" | "known" VAR | VAR "has" WORD | VAR SIGN VALUE )
//! actions = action { "," action }
//! action  = "shutdown" | "low" | "notify" TEXT | "log" TEXT | "start" "timer" NAME DURATION | "clear" "timer" NAME
//! ```

use core::ops::Range;

use winnow::ascii::space0;
use winnow::combinator::{
    alt, cut_err, delimited, eof, opt, preceded, repeat, separated, terminated,
};
use winnow::error::{ErrMode, ParserError};
use winnow::stream::{LocatingSlice, Location as _, Stream as _, TokenSlice};
use winnow::token::{any, one_of, take_till, take_while};
use winnow::{ModalResult, Parser};

use super::near::{did_you_mean, suggest};
use super::program::Compare;

/// Parentheses in each other.
const DEEPEST: u8 = 32;

/// What is wrong with a rule, and with which of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub at: Range<usize>,
    pub message: String,
}

/// What is right, or what is wrong.
pub(super) type Checked<T> = Result<T, Wrong>;

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Of letters, digits and `._%+-`.
    Word,
    /// In quotes.
    Text,
    /// A comparison.
    Sign,
    /// `( ) , :`
    Mark,
    /// There is no more; it stands where the last one does.
    End,
}

/// A word, text or sign, and its bytes in the line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    kind: Kind,
    pub text: &'a str,
    pub at: Range<usize>,
}

impl Token<'_> {
    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { at: self.at.clone(), message: message.into() }
    }
}

/// What a variable is compared with.
#[derive(Clone, Debug)]
pub(super) enum Than<'a> {
    /// A number or a duration.
    Number(Token<'a>),
    Text(Token<'a>),
}

#[derive(Clone, Debug)]
pub(super) enum Cond<'a> {
    Compare(Token<'a>, (Token<'a>, Compare), Than<'a>),
    Has(Token<'a>, Token<'a>),
    Known(Token<'a>),
    Not(Box<Cond<'a>>),
    And(Vec<Cond<'a>>),
    Or(Vec<Cond<'a>>),
    For(Box<Cond<'a>>, Token<'a>),
}

#[derive(Clone, Debug)]
pub(super) enum Act<'a> {
    Shutdown,
    Low(Token<'a>),
    Notify(Token<'a>),
    Log(Token<'a>),
    Start(Token<'a>, Token<'a>),
    Clear(Token<'a>),
}

#[derive(Clone, Debug)]
pub(super) enum Head<'a> {
    If(Cond<'a>),
    Timer(Token<'a>),
}

/// A rule as it is written.
#[derive(Clone, Debug)]
pub(super) struct Written<'a> {
    pub name: Token<'a>,
    pub head: Head<'a>,
    pub then: Vec<Act<'a>>,
    pub otherwise: Vec<Act<'a>>,
}

type Letters<'a> = LocatingSlice<&'a str>;
type Tokens<'i, 'a> = TokenSlice<'i, Token<'a>>;
type Parsed<O> = ModalResult<O, Wrong>;

impl ParserError<Letters<'_>> for Wrong {
    type Inner = Wrong;

    fn from_input(input: &Letters<'_>) -> Wrong {
        let at = input.current_token_start();
        let letter = input.as_ref().chars().next();
        let message = match letter {
            Some('"') => "this quote is not closed; it must end in the same line".to_owned(),
            Some('&') => "write `and'".to_owned(),
            Some('|') => "write `or'".to_owned(),
            Some('!') => "write `not', or `!=' between a variable and a value".to_owned(),
            Some('#') => "a blank must stand before a comment".to_owned(),
            Some(letter) => format!("`{letter}' does not belong in a rule"),
            None => "the rule ends too soon".to_owned(),
        };
        Wrong { at: at..at + letter.map_or(0, char::len_utf8), message }
    }

    fn into_inner(self) -> Result<Wrong, Wrong> {
        Ok(self)
    }
}

impl<'a> ParserError<Tokens<'_, 'a>> for Wrong {
    type Inner = Wrong;

    fn from_input(input: &Tokens<'_, 'a>) -> Wrong {
        let token = input.peek_token();
        let (at, text) = token.map_or((0..0, ""), |token| (token.at.clone(), token.text));
        Wrong { at, message: format!("`{text}' does not belong here") }
    }

    fn into_inner(self) -> Result<Wrong, Wrong> {
        Ok(self)
    }
}

/// Reads one rule: what stands after the word `rule`.
pub(super) fn read(text: &str) -> Checked<Written<'_>> {
    let inner = |error: ErrMode<Wrong>| match error {
        ErrMode::Backtrack(wrong) | ErrMode::Cut(wrong) => wrong,
        ErrMode::Incomplete(_) => Wrong { at: 0..0, message: "the rule is not whole".to_owned() },
    };
    let mut all = tokens.parse_next(&mut LocatingSlice::new(text)).map_err(inner)?;
    let last = all.last().map_or(0..0, |token| token.at.clone());
    all.push(Token { kind: Kind::End, text: "", at: last });
    rule.parse_next(&mut TokenSlice::new(&all)).map_err(inner)
}

fn tokens<'a>(input: &mut Letters<'a>) -> Parsed<Vec<Token<'a>>> {
    let all: Vec<Token<'a>> = repeat(0.., preceded(blanks, token)).parse_next(input)?;
    let start = input.current_token_start();
    blanks.parse_next(input)?;
    let apart = all.is_empty() || input.current_token_start() > start;
    if apart && input.starts_with('#') {
        return Ok(all);
    }
    eof.parse_next(input)?;
    Ok(all)
}

fn blanks<'a>(input: &mut Letters<'a>) -> Parsed<&'a str> {
    space0.parse_next(input)
}

fn token<'a>(input: &mut Letters<'a>) -> Parsed<Token<'a>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    let (kind, text, at) = alt((
        take_while(1.., is_word).map(|text| (Kind::Word, text)),
        delimited('"', take_till(0.., '"'), '"').map(|text| (Kind::Text, text)),
        alt(("<=", ">=", "!=", "=", "<", ">")).map(|text| (Kind::Sign, text)),
        one_of(['(', ')', ',', ':']).take().map(|text| (Kind::Mark, text)),
    ))
    .with_span()
    .map(|((kind, text), at)| (kind, text, at))
    .parse_next(input)?;
    Ok(Token { kind, text, at })
}

fn kind<'i, 'a: 'i>(wanted: Kind) -> impl Parser<Tokens<'i, 'a>, Token<'a>, ErrMode<Wrong>> {
    any.verify(move |token: &Token<'a>| token.kind == wanted).map(|token: &Token<'a>| token.clone())
}

/// This word or mark.
fn word<'i, 'a: 'i>(
    wanted: &'static str,
) -> impl Parser<Tokens<'i, 'a>, Token<'a>, ErrMode<Wrong>> {
    any.verify(move |token: &Token<'a>| {
        token.text == wanted && matches!(token.kind, Kind::Word | Kind::Mark)
    })
    .map(|token: &Token<'a>| token.clone())
}

/// Nothing else than this can stand here. `words` are those that may have been meant.
fn must<'i, 'a: 'i, O>(
    mut parser: impl Parser<Tokens<'i, 'a>, O, ErrMode<Wrong>>,
    what: &'static str,
    words: &'static [&'static str],
) -> impl Parser<Tokens<'i, 'a>, O, ErrMode<Wrong>> {
    move |input: &mut Tokens<'i, 'a>| {
        let start = input.checkpoint();
        let error = match parser.parse_next(input) {
            Err(ErrMode::Backtrack(error)) => error,
            other => return other,
        };
        input.reset(&start);
        let message = match input.peek_token() {
            Some(Token { kind: Kind::End, .. }) | None => format!("{what} must follow this"),
            Some(token) => {
                let near = suggest(token.text, words.iter().copied());
                let near = did_you_mean(near.filter(|_| token.kind == Kind::Word));
                format!("{what} must stand here, not `{}'{near}", token.text)
            }
        };
        Err(ErrMode::Cut(Wrong { message, ..error }))
    }
}

fn rule<'a>(input: &mut Tokens<'_, 'a>) -> Parsed<Written<'a>> {
    let name = must(kind(Kind::Word), "a name", &[]).parse_next(input)?;
    must(word(":"), "`:'", &[]).parse_next(input)?;
    let heads = alt((
        preceded(word("if"), cut_err(|input: &mut Tokens<'_, 'a>| cond(input, 0))).map(Head::If),
        preceded(
            (word("on"), must(word("timer"), "`timer'", &["timer"])),
            must(kind(Kind::Word), "a timer's name", &[]),
        )
        .map(Head::Timer),
    ));
    let head = must(heads, "`if' or `on timer'", &["if", "on"]).parse_next(input)?;
    let (what, words): (_, &[&str]) = match head {
        Head::If(Cond::For(..)) => ("`then'", &["then"]),
        Head::If(_) => ("`and', `or', `for' or `then'", &["and", "or", "for", "then"]),
        Head::Timer(_) => ("`then'", &["then"]),
    };
    if let (Head::If(Cond::For(..)), Some(next)) = (&head, input.peek_token())
        && ["and", "or", "for"].contains(&next.text)
    {
        let message =
            "`for' is of all that stands before it; put that in parentheses: `(… for 5m) and …'";
        return Err(ErrMode::Cut(next.wrong(message)));
    }
    must(word("then"), what, words).parse_next(input)?;
    let then = actions.parse_next(input)?;
    let mut otherwise = Vec::new();
    if let Head::If(_) = head
        && opt(word("else")).parse_next(input)?.is_some()
    {
        otherwise = actions.parse_next(input)?;
    }
    let end: (_, &[&str]) = match (&head, otherwise.is_empty()) {
        (Head::If(_), true) => ("`,', `else' or the end", &["else"]),
        _ => ("`,' or the end", &[]),
    };
    must(kind(Kind::End), end.0, end.1).parse_next(input)?;
    Ok(Written { name, head, then, otherwise })
}

fn actions<'a>(input: &mut Tokens<'_, 'a>) -> Parsed<Vec<Act<'a>>> {
    separated(1.., cut_err(action), word(",")).parse_next(input)
}

fn action<'a>(input: &mut Tokens<'_, 'a>) -> Parsed<Act<'a>> {
    const WORDS: &[&str] = &["shutdown", "low", "notify", "log", "start", "clear"];
    let text = || must(kind(Kind::Text), "a text in quotes", &[]);
    let timer = || must(word("timer"), "`timer'", &["timer"]);
    let name = || must(kind(Kind::Word), "a timer's name", &[]);
    let time = must(kind(Kind::Word), "a time, like `10m',", &[]);
    let all = alt((
        word("shutdown").map(|_| Act::Shutdown),
        word("low").map(Act::Low),
        preceded(word("notify"), text()).map(Act::Notify),
        preceded(word("log"), text()).map(Act::Log),
        preceded((word("start"), timer()), (name(), time))
            .map(|(name, time)| Act::Start(name, time)),
        preceded((word("clear"), timer()), name()).map(Act::Clear),
    ));
    must(all, "an action", WORDS).parse_next(input)
}

fn cond<'a>(input: &mut Tokens<'_, 'a>, depth: u8) -> Parsed<Cond<'a>> {
    let and = move |input: &mut Tokens<'_, 'a>| {
        let not = move |input: &mut Tokens<'_, 'a>| nots(input, depth);
        list(separated(1.., not, word("and")).parse_next(input)?, Cond::And)
    };
    let held = list(separated(1.., and, word("or")).parse_next(input)?, Cond::Or)?;
    let time = must(kind(Kind::Word), "a time, like `5m',", &[]);
    match opt(preceded(word("for"), time)).parse_next(input)? {
        Some(time) => Ok(Cond::For(Box::new(held), time)),
        None => Ok(held),
    }
}

/// One is itself.
fn list<'a>(mut all: Vec<Cond<'a>>, join: fn(Vec<Cond<'a>>) -> Cond<'a>) -> Parsed<Cond<'a>> {
    match (all.len(), all.pop()) {
        (1, Some(only)) => Ok(only),
        (_, last) => {
            all.extend(last);
            Ok(join(all))
        }
    }
}

fn nots<'a>(input: &mut Tokens<'_, 'a>, depth: u8) -> Parsed<Cond<'a>> {
    let count: usize = repeat(0.., word("not")).parse_next(input)?;
    let inner = primary(input, depth)?;
    // Two of them are none.
    Ok(if count % 2 == 1 { Cond::Not(Box::new(inner)) } else { inner })
}

fn primary<'a>(input: &mut Tokens<'_, 'a>, depth: u8) -> Parsed<Cond<'a>> {
    if let Some(open) = opt(word("(")).parse_next(input)? {
        if depth >= DEEPEST {
            let message = format!("more than {DEEPEST} parentheses in each other");
            return Err(ErrMode::Cut(open.wrong(message)));
        }
        let close = must(word(")"), "`and', `or', `for' or `)'", &["and", "or", "for"]);
        return terminated(|input: &mut Tokens<'_, 'a>| cond(input, depth + 1), close)
            .parse_next(input);
    }
    let variable = || must(kind(Kind::Word), "a variable", &[]);
    if opt(word("known")).parse_next(input)?.is_some() {
        return variable().map(Cond::Known).parse_next(input);
    }
    let variable = variable().parse_next(input)?;
    // What follows a word that was forgotten.
    let status = kind(Kind::Word)
        .verify(|token: &Token<'a>| !["and", "or", "for", "then"].contains(&token.text));
    let what = "`has' or a comparison";
    let told = alt((
        preceded(word("has"), must(alt((status, kind(Kind::Text))), "a word", &[]))
            .map(|word| Cond::Has(variable.clone(), word)),
        (sign, must(value, "a number, a time or a text in quotes", &[]))
            .map(|(sign, than)| Cond::Compare(variable.clone(), sign, than)),
    ));
    must(told, what, &["has"]).parse_next(input)
}

fn sign<'a>(input: &mut Tokens<'_, 'a>) -> Parsed<(Token<'a>, Compare)> {
    let token = kind(Kind::Sign).parse_next(input)?;
    let compare = match token.text {
        "<" => Compare::Below,
        "<=" => Compare::AtMost,
        ">" => Compare::Above,
        ">=" => Compare::AtLeast,
        "!=" => Compare::Other,
        _ => Compare::Equal,
    };
    Ok((token, compare))
}

fn value<'a>(input: &mut Tokens<'_, 'a>) -> Parsed<Than<'a>> {
    alt((kind(Kind::Text).map(Than::Text), kind(Kind::Word).map(Than::Number))).parse_next(input)
}
