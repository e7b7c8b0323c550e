//! Batches of a Distributed Map of Step Functions.

use super::direct::{self, Defaults};
use super::node::Node;
use super::{Asked, Broken, Caller, Form, Item, Load, ObjectReference, Target, data_file, object};

/// A batch of items. Each of them is answered for itself: a child workflow that fails counts all of its items as failed.
pub(super) const BATCH: Form = Form {
    name: "Distributed Map batch",
    example: r#"{"Items": [{"bucket": "…", "key": "…"} or {"Key": "…", "Size": …}, …], "BatchInput": {"bucket": "…"}}"#,
    caller: |_| Caller::Map,
    // A state machine that loads one object may pass on a list of its own.
    matches: |payload| payload.contains_key("Items") && !payload.contains_key("key"),
    read: |payload| batch(payload).map(Asked::Each),
};

fn batch(payload: &Node<'_>) -> Result<Vec<Item>, Broken> {
    let input = payload.member("BatchInput");
    let bucket = input.member("bucket");
    let prefix = input.member("prefix");
    let common = Common {
        defaults: Defaults {
            bucket: if bucket.is_absent() { None } else { Some(object::bucket(&bucket)?) },
            dataset: input.member("dataset").optional_text()?.map(str::to_owned),
            skip_loaded: input.member("skip_loaded").optional_boolean()?.unwrap_or_default(),
        },
        prefix: if prefix.is_absent() { String::new() } else { object::prefix(&prefix)? },
        bucket,
    };
    let items = payload.member("Items").elements()?;
    Ok(items.map(|item| Item { id: item.path().to_owned(), group: None, load: common.load(item) }).collect())
}

/// What `BatchInput` sets for every item.
struct Common<'a> {
    defaults: Defaults,
    /// What was listed, where that is given.
    prefix: String,
    /// Where the bucket stands, for who forgot it.
    bucket: Node<'a>,
}

impl Common<'_> {
    fn load(&self, item: Node<'_>) -> Result<Load, Broken> {
        let item = item.object()?;
        if item.member("Key").is_absent() {
            return direct::load(&item, &self.defaults);
        }
        self.listed(&item)
    }

    /// An item of S3's ListObjectsV2, which lists everything.
    fn listed(&self, item: &Node<'_>) -> Result<Load, Broken> {
        let key = item.member("Key");
        let key = object::key(&key, key.text()?)?;
        let size = item.member("Size").optional_unsigned()?;
        if !data_file::is_listed(&key, &self.prefix, size) {
            return Ok(Load { targets: Vec::new(), skipped: 1 });
        }
        let bucket = match &self.defaults.bucket {
            Some(bucket) => bucket.clone(),
            None => object::bucket(&self.bucket)?,
        };
        Ok(Load::of(vec![Target::Object(ObjectReference {
            etag: object::entity_tag(&item.member("Etag"))?,
            size,
            dataset: self.defaults.dataset.clone(),
            skip_loaded: self.defaults.skip_loaded,
            ..ObjectReference::new(bucket, key)
        })]))
    }
}
