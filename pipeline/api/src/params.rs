//! Query parameters: read once, the first value of a name counts (as in Go's `url.Values.Get`).

use axum::extract::Query;
use axum::http::Uri;

use crate::problem::Problem;

/// The parameters of one request.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query of `uri`.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        query
            .map(|Query(pairs)| Self(pairs))
            .map_err(|error| Problem::invalid(error.body_text()))
    }

    /// Refuses every name but `known`: on the ops port a mistyped filter would show too much in
    /// silence.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            None => Ok(self),
            Some((name, _)) => {
                let known = known.join(", ");
                Err(Problem::invalid(format!(
                    "{name}: no such parameter; there are {known}"
                )))
            }
        }
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// All of them, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of `name`, unless it is empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether `name` is `true`; `false`, absent or empty is no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.filled(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(Problem::invalid(format!(
                "{name}: `{text}` is neither true nor false"
            ))),
        }
    }

    /// `name` as a number that is not negative; `None` when it is absent or empty.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, Problem> {
        let Some(text) = self.filled(name) else {
            return Ok(None);
        };
        let number: i64 = text
            .parse()
            .map_err(|_| Problem::invalid(format!("{name}: `{text}` is not a whole number")))?;
        let number = usize::try_from(number)
            .map_err(|_| Problem::invalid(format!("{name}: must be >= 0")))?;
        Ok(Some(number))
    }

    /// As [`Params::number`], refused over `max`: what is cut in silence is taken for all there is.
    pub(crate) fn up_to(&self, name: &str, max: usize) -> Result<Option<usize>, Problem> {
        match self.number(name)? {
            Some(number) if number > max => Err(Problem::invalid(format!(
                "{name}: must be <= {max}; ask for more in further pages"
            ))),
            number => Ok(number),
        }
    }
}
