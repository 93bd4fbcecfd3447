//! The body of a message to a device, in the deployed shape (anchors/cloud-connector.md section 5):
//! `{directive*, payload, metadata}`. Unknown members are allowed. No IO.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use rollcall_model::Json;
use rollcall_model::event::RequestBody;
use rollcall_schemas::Object;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::problem::Problem;

/// A message that may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// What the request asks for.
    pub(crate) body: RequestBody,
    /// Not later than so many milliseconds from now; ours, the deployed system has none.
    pub(crate) deadline_ms: Option<i64>,
}

/// The members that are read. Texts are looked at one by one, so that each error names its member.
#[derive(Deserialize)]
struct Shape {
    directive: Option<String>,
    payload: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
    deadline_ms: Option<i64>,
}

impl Message {
    /// Reads a body.
    ///
    /// Errors: 400 with what is wrong; bodies over 1 MiB do not come this far.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let Object(shape) = Object::<Shape>::deserialize(&mut reader)
            .map_err(|error| Problem::invalid(format!("malformed json: {error}")))?;
        if reader.end().is_err() {
            return Err(Problem::invalid("the body holds more than one object"));
        }
        let Some(directive) = shape.directive else {
            return Err(Problem::invalid("missing required field: directive"));
        };
        if directive.trim().is_empty() {
            let detail = "the directive is blank; it names the application on the device";
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "Blank directive",
                detail,
            ));
        }
        let payload = shape.payload.as_deref().map_or("null", RawValue::get);
        let payload = Json::new(payload)
            .map_err(|error| Problem::invalid(format!("payload cannot be passed on: {error}")))?;
        if shape
            .deadline_ms
            .is_some_and(|deadline_ms| deadline_ms <= 0)
        {
            return Err(Problem::invalid("deadline_ms must be > 0"));
        }
        Ok(Self {
            body: RequestBody::Data {
                directive,
                payload,
                metadata: metadata(shape.metadata.as_deref())?,
            },
            deadline_ms: shape.deadline_ms,
        })
    }
}

/// Text to text: yggd drops a message whose metadata holds anything else.
fn metadata(raw: Option<&RawValue>) -> Result<Vec<(String, String)>, Problem> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let members: BTreeMap<String, String> = serde_json::from_str(raw.get()).map_err(|error| {
        Problem::invalid(format!(
            "metadata must be an object of texts, as the device's client reads no others: {error}"
        ))
    })?;
    Ok(members.into_iter().collect())
}
