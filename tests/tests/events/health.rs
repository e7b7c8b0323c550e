//! Health checks.

use influxdb_loader_tests::Function;
use serde_json::json;

use super::Site;
use super::forms::Way;

#[test]
fn a_health_check_is_answered_in_every_form_whether_the_server_is_well_or_not() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let schedules = ["aws.events", "aws.scheduler"]
        .map(|source| json!({ "source": source, "detail-type": "Scheduled Event", "detail": {}, "resources": [] }));
    let deep = json!({ "action": "health", "deep": true });
    for http in Way::ALL {
        for deep in [false, true] {
            let (status, body) = http.response(&function.invoke(&http.health(deep)));
            assert_eq!((status, &body["status"]), (200, &json!("healthy")), "{http:?}: {body}\n{}", function.log());
            assert_eq!(body["influxdb"]["read_ms"].is_number(), deep, "{http:?}: {body}");
        }
    }
    for event in schedules.iter().chain([&deep]) {
        let healthy = function.invoke(event);
        assert!(!healthy.failed, "{event}: {}", healthy.answer);
        assert_eq!(healthy.answer["status"], "healthy");
    }

    drop(site.influxdb);
    for http in Way::ALL {
        let (status, body) = http.response(&function.invoke(&http.health(false)));
        assert_eq!((status, &body["status"]), (503, &json!("unhealthy")), "{http:?}: {body}");
        assert_eq!(body["failure"]["error_type"], "InfluxDBConnectionError", "{body}");
    }
    for event in schedules.iter().chain([&deep]) {
        let unhealthy = function.invoke(event);
        assert!(unhealthy.failed, "{event}: {}", unhealthy.answer);
        assert_eq!(unhealthy.answer["errorType"], "InfluxDBConnectionError");
    }
}
