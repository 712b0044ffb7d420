//! What every listing can be asked for: `name`, `use_regex`, `sort`, `sort_reverse`, `page`,
//! `page_size`, `columns`, as in RabbitMQ.
//!
//! ```text
//!   row ─▶ named so? ─▶ on the page? ─▶ JSON ─▶ its columns ─▶ text
//!           no: counted   no: counted
//! ```
//!
//! Rows come one by one and none is kept as JSON: what is not asked for costs its row only, and of a
//! sorted listing no more rows are kept than are on the page and those before it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::answer::{Answer, Refusal, ok};
use super::http::Response;
use super::routes::Ask;

/// The most rows of a page, as in RabbitMQ.
const PAGE_SIZE_MAX: usize = 500;
/// The rows of a page if nobody says.
const PAGE_SIZE: usize = 100;
/// The longest expression, in octets. It is matched in linear time, whatever it is.
const EXPRESSION_MAX: usize = 1024;
/// What a compiled expression may take, in octets.
const COMPILED_MAX: usize = 256 * 1024;

/// Answers with a listing of rows that are there already, as much of it as is asked for.
pub(super) fn answer(ask: &Ask, items: Vec<Value>) -> Answer {
    let mut listing = Listing::new(ask)?;
    for item in items {
        let name = item.get("name").and_then(Value::as_str).map(str::to_owned);
        listing.push(name.as_deref(), || item);
    }
    listing.answer()
}

/// Answers with one thing, as many of its columns as are asked for.
pub(super) fn one(ask: &Ask, item: &Value) -> Answer {
    match columns(ask) {
        Some(columns) => ok(&only(item, &columns)),
        None => ok(item),
    }
}

/// A listing that is being put together; see the module.
pub(super) struct Listing<'a> {
    filter: Filter,
    sort: Option<&'a str>,
    reverse: bool,
    columns: Option<Vec<&'a str>>,
    /// The page and its size, both from 1.
    page: Option<(usize, usize)>,
    /// Rows there are, and those of them that are named so.
    total: usize,
    filtered: usize,
    rows: Rows,
}

/// What is kept of the rows.
enum Rows {
    /// In the order in which they come: the text of all of them, and how many they are.
    Plain(String, usize),
    /// The first ones in another order, the last of them on top.
    Sorted(BinaryHeap<Row>),
}

/// A row of a sorted listing.
struct Row {
    key: Key,
    /// Where it came, which decides among equals.
    place: usize,
    reverse: bool,
    text: String,
}

impl<'a> Listing<'a> {
    /// A listing for a request.
    ///
    /// # Errors
    ///
    /// 400 for what makes no sense.
    pub(super) fn new(ask: &'a Ask) -> Result<Self, Refusal> {
        let (sort, reverse) = (ask.query("sort"), ask.flag("sort_reverse")?);
        let paged = ask.query("page").is_some() || ask.flag("pagination")?;
        let page = match paged {
            true => Some((positive(ask, "page", 1)?, positive(ask, "page_size", PAGE_SIZE)?)),
            false => None,
        };
        if page.is_some_and(|(_, size)| size > PAGE_SIZE_MAX) {
            return Err(Refusal::bad_request(format!("page_size is at most {PAGE_SIZE_MAX}")));
        }
        let plain = sort.is_none() && !reverse;
        let rows =
            if plain { Rows::Plain(String::new(), 0) } else { Rows::Sorted(BinaryHeap::new()) };
        let (filter, columns) = (Filter::new(ask)?, columns(ask));
        Ok(Self { filter, sort, reverse, columns, page, total: 0, filtered: 0, rows })
    }

    /// Adds a row; its JSON is made if it can be needed. A row without a name passes every filter.
    pub(super) fn push(&mut self, name: Option<&str>, value: impl FnOnce() -> Value) {
        self.total += 1;
        if name.is_some_and(|name| !self.filter.passes(name)) {
            return;
        }
        let place = self.filtered;
        self.filtered += 1;
        let (first, end) = self.bounds();
        let text = |value: &Value, columns: &Option<Vec<&str>>| match columns {
            Some(columns) => only(value, columns).to_string(),
            None => value.to_string(),
        };
        match &mut self.rows {
            Rows::Plain(..) if !(first..end).contains(&place) => {}
            Rows::Plain(whole, count) => {
                if *count > 0 {
                    whole.push(',');
                }
                whole.push_str(&text(&value(), &self.columns));
                *count += 1;
            }
            Rows::Sorted(heap) => {
                let value = value();
                let key = Key::of(self.sort.and_then(|path| at(&value, path)));
                let mut row = Row { key, place, reverse: self.reverse, text: String::new() };
                let full = heap.len() >= end;
                if full && heap.peek().is_none_or(|last| row >= *last) {
                    return;
                }
                row.text = text(&value, &self.columns);
                if full {
                    heap.pop();
                }
                heap.push(row);
            }
        }
    }

    /// The rows of the page, by their places among those that are named so.
    fn bounds(&self) -> (usize, usize) {
        self.page.map_or((0, usize::MAX), |(page, size)| ((page - 1) * size, page * size))
    }

    /// The answer.
    ///
    /// # Errors
    ///
    /// 400 for a page that is not there.
    pub(super) fn answer(self) -> Answer {
        let (first, _) = self.bounds();
        let (items, count) = match self.rows {
            Rows::Plain(text, count) => (text, count),
            Rows::Sorted(heap) => {
                let rows = heap.into_sorted_vec();
                let texts: Vec<_> = rows.into_iter().skip(first).map(|row| row.text).collect();
                (texts.join(","), texts.len())
            }
        };
        let Some((page, page_size)) = self.page else {
            return Ok(json(format!("[{items}]")));
        };
        let (total, filtered) = (self.total, self.filtered);
        let page_count = filtered.div_ceil(page_size).max(1);
        if page > page_count {
            let reason = format!("page out of range: {page}, of {page_count}");
            return Err(Refusal::bad_request(reason));
        }
        Ok(json(format!(
            "{{\"filtered_count\":{filtered},\"item_count\":{count},\"items\":[{items}],\
             \"page\":{page},\"page_count\":{page_count},\"page_size\":{page_size},\
             \"total_count\":{total}}}"
        )))
    }
}

fn json(text: String) -> Response {
    Response::new(200, "application/json", text.into_bytes())
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Row {}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.key.compare(&other.key).then(self.place.cmp(&other.place));
        if self.reverse { order.reverse() } else { order }
    }
}

/// What rows are sorted by. Nothing comes first, then numbers, texts, and all else as it is written.
enum Key {
    Nothing,
    Number(f64),
    Text(String),
    Other(String),
}

impl Key {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Nothing,
            Some(Value::Number(number)) => Self::Number(number.as_f64().unwrap_or_default()),
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(other) => Self::Other(other.to_string()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Other(_) => 3,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Text(left), Self::Text(right)) | (Self::Other(left), Self::Other(right)) => {
                left.cmp(right)
            }
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }
}

fn positive(ask: &Ask, name: &str, default: usize) -> Result<usize, Refusal> {
    match ask.query(name) {
        None | Some("") => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0 && *number < usize::MAX / PAGE_SIZE_MAX)
            .ok_or_else(|| Refusal::bad_request(format!("{name} is to be a positive number"))),
    }
}

/// Which names are asked for.
enum Filter {
    All,
    /// Those with this part, in small letters.
    Part(String),
    Expression(Regex),
}

impl Filter {
    fn new(ask: &Ask) -> Result<Self, Refusal> {
        let expression = ask.flag("use_regex")?;
        let Some(name) = ask.query("name").filter(|name| !name.is_empty()) else {
            return Ok(Self::All);
        };
        if !expression {
            return Ok(Self::Part(name.to_lowercase()));
        }
        if name.len() > EXPRESSION_MAX {
            return Err(Refusal::bad_request("the expression is too long"));
        }
        let expression = RegexBuilder::new(name).size_limit(COMPILED_MAX).build();
        let expression =
            expression.map_err(|_| Refusal::bad_request("the expression cannot be used"))?;
        Ok(Self::Expression(expression))
    }

    fn passes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Part(part) => name.to_lowercase().contains(part),
            Self::Expression(expression) => expression.is_match(name),
        }
    }
}

/// The value at a path like `message_stats.publish_details.rate`.
fn at<'v>(item: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(item, |value, name| value.get(name))
}

fn columns(ask: &Ask) -> Option<Vec<&str>> {
    let columns = ask.query("columns").filter(|columns| !columns.is_empty())?;
    Some(columns.split(',').take(PAGE_SIZE).map(str::trim).collect())
}

/// Leaves only these columns. What is null is left out with the others: rabbitmqadmin asks for
/// columns, and cannot print null.
fn only(item: &Value, columns: &[&str]) -> Value {
    let mut cut = Map::new();
    for column in columns {
        let Some(value) = at(item, column).filter(|it| !it.is_null()) else { continue };
        let mut place = &mut cut;
        let mut names = column.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                place.insert(name.to_owned(), value.clone());
                break;
            }
            let next = place.entry(name).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(next) = next else { break };
            place = next;
        }
    }
    Value::Object(cut)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(query: &str) -> Result<Value, u16> {
        let items = (0..25).map(|n| json!({"name": format!("q{n:02}"), "x": {"n": 25 - n}}));
        let response = answer(&Ask::probe(query), items.collect()).map_err(|it| it.status)?;
        Ok(serde_json::from_slice(&response.body).unwrap())
    }

    #[test]
    fn a_page_says_what_it_is_a_part_of() {
        let page = listed("page=3&page_size=10").unwrap();
        assert_eq!(page["items"].as_array().unwrap().len(), 5);
        assert_eq!((&page["page_count"], &page["total_count"]), (&json!(3), &json!(25)));
        for query in ["page=4&page_size=10", "page=0", "page=-1", "page=1&page_size=501"] {
            assert_eq!(listed(query), Err(400), "{query}");
        }
    }

    #[test]
    fn names_are_found_by_a_part_or_by_an_expression() {
        assert_eq!(listed("name=Q1").unwrap().as_array().unwrap().len(), 10);
        assert_eq!(listed("name=^q1[23]$&use_regex=true").unwrap().as_array().unwrap().len(), 2);
        assert_eq!(listed("name=(&use_regex=true"), Err(400));
        assert_eq!(listed("name=a{1000}{1000}&use_regex=true"), Err(400));
        // What takes others exponential time is nothing here.
        let slow = format!("name=(a|aa|a?)*{}$&use_regex=true", "(x%2Bx%2B)%2By".repeat(20));
        assert_eq!(listed(&slow).unwrap(), json!([]));
    }

    #[test]
    fn columns_and_sorting_go_into_depth() {
        let rows = listed("sort=x.n&columns=x.n").unwrap();
        assert_eq!(rows[0], json!({"x": {"n": 1}}));
        let rows = listed("sort=name&sort_reverse=true&columns=name,none").unwrap();
        assert_eq!(rows[0], json!({"name": "q24"}));
        let item = json!({"name": "q", "policy": null});
        let response = one(&Ask::probe("columns=name,policy"), &item).unwrap();
        assert_eq!(response.body, b"{\"name\":\"q\"}");
    }

    #[test]
    fn a_page_of_any_order_is_the_one_of_the_whole_order() {
        for sort in ["", "sort=x.n", "sort=name", "sort=none", "sort=x"] {
            for reverse in ["", "&sort_reverse=true"] {
                let whole = listed(&format!("{sort}{reverse}")).unwrap();
                let mut pages = Vec::new();
                for page in 1..=4 {
                    let page = listed(&format!("{sort}{reverse}&page={page}&page_size=7")).unwrap();
                    assert_eq!(
                        (&page["total_count"], &page["page_count"]),
                        (&json!(25), &json!(4))
                    );
                    assert_eq!(page["item_count"], page["items"].as_array().unwrap().len());
                    pages.extend(page["items"].as_array().unwrap().clone());
                }
                assert_eq!(Value::Array(pages), whole, "{sort}{reverse}");
            }
        }
    }

    #[test]
    fn a_row_that_is_not_shown_is_not_made() {
        for (query, most, octets_max) in [
            ("page=3&page_size=10", 10, 20_000),
            ("page=1&page_size=10&name=row7", 10, 20_000),
            ("name=row7", 111, 120_000),
            ("columns=name", 1000, 20_000),
        ] {
            let ask = Ask::probe(query);
            let (mut listing, mut made) = (Listing::new(&ask).unwrap(), 0);
            for number in 0..1000 {
                listing.push(Some(&format!("row{number}.")), || {
                    made += 1;
                    json!({"name": number, "more": "x".repeat(1000)})
                });
            }
            let response = listing.answer().unwrap();
            assert!(made <= most, "{query}: {made}");
            assert!(response.body.len() < octets_max, "{query}: {}", response.body.len());
        }
        // Of a sorted listing those are kept that can still be on the page.
        let ask = Ask::probe("sort=name&page=1&page_size=10");
        let mut listing = Listing::new(&ask).unwrap();
        for number in 0..1000 {
            listing.push(None, || json!({"name": (number * 7) % 1000}));
        }
        let Rows::Sorted(heap) = &listing.rows else { unreachable!("it is sorted") };
        assert_eq!(heap.len(), 10);
    }
}
