//! By which request a load is made.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

tokio::task_local! {
    static REQUEST: String;
}

/// Does `work` as a part of a request: an invocation of the function.
pub async fn within_request<T>(id: &str, work: impl Future<Output = T>) -> T {
    REQUEST.scope(id.to_owned(), work).await
}

/// The request that this is a part of: that of [`within_request`], or else this process.
pub fn request() -> String {
    static PROCESS: LazyLock<String> = LazyLock::new(|| {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("process-{}-{}", started.as_millis(), std::process::id())
    });
    REQUEST.try_with(Clone::clone).unwrap_or_else(|_| PROCESS.clone())
}
