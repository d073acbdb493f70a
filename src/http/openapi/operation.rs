//! What is said about one act of the API. A module has its `docs()` beside its handlers, one [`Operation`] for each method of each
//! address of its `routes()`.

use crate::access::Action;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a type.
pub(super) type Make = fn(&mut SchemaGenerator) -> Schema;

/// What an answer holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Nothing.
    Nothing,
    /// JSON of this form.
    Json(Make),
    /// Something else, of this media type.
    Media(&'static str),
}

/// What comes with a request.
#[derive(Clone, Copy)]
pub(super) enum Payload {
    /// JSON of this form.
    Json { make: Make, required: bool },
    /// One of these media types, each with what is in it.
    Media(&'static [(&'static str, &'static str)]),
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nobody needs a credential.
    Nothing,
    /// A valid credential.
    Credential,
    /// A credential whose role may do this.
    Right(Action),
}

/// One method of one address.
#[derive(Clone)]
pub(in crate::http) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) needs: Needs,
    pub(super) query: Option<Make>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) payload: Option<Payload>,
    pub(super) example: Option<&'static str>,
    pub(super) answers: Vec<(u16, &'static str, Content)>,
    pub(super) tagged: bool,
    pub(super) located: bool,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            description: "",
            needs: Needs::Credential,
            query: None,
            headers: Vec::new(),
            payload: None,
            example: None,
            answers: Vec::new(),
            tagged: false,
            located: false,
        }
    }

    /// `GET`: the address as it is routed, a name for generated clients, and one line for people.
    pub fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, id, summary)
    }

    /// `POST`.
    pub fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, id, summary)
    }

    /// `PUT`.
    pub fn put(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("put", path, id, summary)
    }

    /// `PATCH`.
    pub fn patch(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("patch", path, id, summary)
    }

    /// `DELETE`.
    pub fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("delete", path, id, summary)
    }

    /// More about it, in Markdown.
    #[must_use]
    pub fn says(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The right that it needs. Without this or [`open`](Self::open): any valid credential.
    #[must_use]
    pub fn needs(mut self, action: Action) -> Self {
        self.needs = Needs::Right(action);
        self
    }

    /// Nobody needs a credential.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.needs = Needs::Nothing;
        self
    }

    /// What may stand behind the `?`: each field of the type.
    #[must_use]
    pub fn asks<T: JsonSchema>(mut self) -> Self {
        self.query = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// A header that may come with it.
    #[must_use]
    pub fn header(mut self, name: &'static str, says: &'static str) -> Self {
        self.headers.push((name, says));
        self
    }

    /// The body, as JSON.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self, example: &'static str) -> Self {
        self.payload = Some(Payload::Json { make: SchemaGenerator::subschema_for::<T>, required: true });
        self.example = Some(example);
        self
    }

    /// The body, as JSON, or none.
    #[must_use]
    pub fn may_take<T: JsonSchema>(mut self, example: &'static str) -> Self {
        self.payload = Some(Payload::Json { make: SchemaGenerator::subschema_for::<T>, required: false });
        self.example = Some(example);
        self
    }

    /// The body, as something else; each media type with what is in it.
    #[must_use]
    pub fn takes_media(mut self, media: &'static [(&'static str, &'static str)], example: &'static str) -> Self {
        self.payload = Some(Payload::Media(media));
        self.example = Some(example);
        self
    }

    /// An answer of this status.
    #[must_use]
    pub fn gives<T: JsonSchema>(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push((status, says, Content::Json(SchemaGenerator::subschema_for::<T>)));
        self
    }

    /// An answer of this status and media type.
    #[must_use]
    pub fn gives_media(mut self, status: u16, media: &'static str, says: &'static str) -> Self {
        self.answers.push((status, says, Content::Media(media)));
        self
    }

    /// An answer of this status, without a body.
    #[must_use]
    pub fn gives_nothing(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push((status, says, Content::Nothing));
        self
    }

    /// What it gives has an `ETag`.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    /// What it makes has an address: `Location`.
    #[must_use]
    pub fn located(mut self) -> Self {
        self.located = true;
        self
    }

    /// It heeds `If-Match`.
    #[must_use]
    pub fn guarded(self) -> Self {
        self.tagged().header(
            "If-Match",
            "The `ETag` that you read. If somebody changed it since, nothing happens: 412 `outdated`. Left out, or `*`: \
             whatever stands there is changed.",
        )
    }
}
