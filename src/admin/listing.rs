//! What every listing can be asked for: `name`, `use_regex`, `sort`, `sort_reverse`, `page`,
//! `page_size`, `columns`, as in RabbitMQ.

use std::cmp::Ordering;

use regex::RegexBuilder;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal, ok};
use super::routes::Ask;

/// The most rows of a page, as in RabbitMQ.
const PAGE_SIZE_MAX: usize = 500;
/// The rows of a page if nobody says.
const PAGE_SIZE: usize = 100;
/// The longest expression, in octets. It is matched in linear time, whatever it is.
const EXPRESSION_MAX: usize = 1024;
/// What a compiled expression may take, in octets.
const COMPILED_MAX: usize = 256 * 1024;

/// Answers with a listing, as much of it as is asked for.
pub(super) fn answer(ask: &Ask, mut items: Vec<Value>) -> Answer {
    let total = items.len();
    filter(ask, &mut items)?;
    if let Some(path) = ask.query("sort") {
        items.sort_by(|left, right| compare(at(left, path), at(right, path)));
    }
    if ask.flag("sort_reverse")? {
        items.reverse();
    }
    let paged = ask.query("page").is_some() || ask.flag("pagination")?;
    if !paged {
        return ok(&Value::Array(cut(ask, items)));
    }
    let (page, page_size) = (positive(ask, "page", 1)?, positive(ask, "page_size", PAGE_SIZE)?);
    if page_size > PAGE_SIZE_MAX {
        return Err(Refusal::bad_request(format!("page_size is at most {PAGE_SIZE_MAX}")));
    }
    let filtered = items.len();
    let page_count = filtered.div_ceil(page_size).max(1);
    if page > page_count {
        return Err(Refusal::bad_request(format!("page out of range: {page}, of {page_count}")));
    }
    let rows: Vec<_> = items.into_iter().skip((page - 1) * page_size).take(page_size).collect();
    ok(&json!({
        "total_count": total, "filtered_count": filtered, "item_count": rows.len(),
        "page": page, "page_size": page_size, "page_count": page_count,
        "items": cut(ask, rows),
    }))
}

/// Answers with one thing, as many of its columns as are asked for.
pub(super) fn one(ask: &Ask, item: Value) -> Answer {
    ok(&cut(ask, vec![item]).remove(0))
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

fn filter(ask: &Ask, items: &mut Vec<Value>) -> Result<(), Refusal> {
    let Some(name) = ask.query("name").filter(|name| !name.is_empty()) else { return Ok(()) };
    let named = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    if ask.flag("use_regex")? {
        if name.len() > EXPRESSION_MAX {
            return Err(Refusal::bad_request("the expression is too long"));
        }
        let expression = RegexBuilder::new(name).size_limit(COMPILED_MAX).build();
        let expression =
            expression.map_err(|_| Refusal::bad_request("the expression cannot be used"))?;
        items.retain(|item| named(item).is_none_or(|name| expression.is_match(&name)));
    } else {
        let wanted = name.to_lowercase();
        items.retain(|item| named(item).is_none_or(|name| name.to_lowercase().contains(&wanted)));
    }
    Ok(())
}

/// The value at a path like `message_stats.publish_details.rate`.
fn at<'v>(item: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(item, |value, name| value.get(name))
}

/// Nothing comes first, then numbers, texts, and all else as it is written.
fn compare(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None | Some(Value::Null) => 0,
        Some(Value::Number(_)) => 1,
        Some(Value::String(_)) => 2,
        Some(_) => 3,
    };
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => {
            let (left, right) = (left.as_f64(), right.as_f64());
            left.partial_cmp(&right).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(left)), Some(Value::String(right))) => left.cmp(right),
        (Some(left), Some(right)) if rank(Some(left)) == 3 && rank(Some(right)) == 3 => {
            left.to_string().cmp(&right.to_string())
        }
        (left, right) => rank(left).cmp(&rank(right)),
    }
}

/// Leaves only the columns that are asked for. What is null is left out with them: rabbitmqadmin
/// asks for columns, and cannot print null.
fn cut(ask: &Ask, items: Vec<Value>) -> Vec<Value> {
    let Some(columns) = ask.query("columns").filter(|columns| !columns.is_empty()) else {
        return items;
    };
    let columns: Vec<_> = columns.split(',').take(PAGE_SIZE).map(str::trim).collect();
    items.iter().map(|item| only(item, &columns)).collect()
}

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
        let response = one(&Ask::probe("columns=name,policy"), item).unwrap();
        assert_eq!(response.body, b"{\"name\":\"q\"}");
    }
}
