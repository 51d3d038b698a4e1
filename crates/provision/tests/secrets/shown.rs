//! No value is ever shown.

use super::*;

/// Refuses everything, and quotes what it was given, as a careless webhook does.
struct Careless;

#[async_trait]
impl Guarded for Careless {
    async fn metadata(&self, _: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(None)
    }
    async fn apply_guarded(&self, manifest: &Value, _: bool) -> Result<Value, KubeError> {
        let plain = String::from_utf8(STANDARD.decode(manifest["data"]["password"].as_str().unwrap()).unwrap()).unwrap();
        let reason = format!("denied: {manifest} {plain} {}", plain.trim());
        Err(KubeError::Refused { object: "Secret apps/db".into(), reason, code: 403 })
    }
    async fn annotate(&self, _: &ObjectRef, _: &str, _: Option<&str>) -> Result<Value, KubeError> {
        unreachable!("nothing was applied")
    }
    async fn delete_exactly(&self, _: &ObjectRef, _: &str, _: &str) -> Result<(), KubeError> {
        unreachable!("nothing is deleted")
    }
}

#[tokio::test]
async fn no_value_is_in_plans_facts_states_or_errors() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", CANARY)]));
    let wish = world.wish();
    let planned = world.plan().await;
    let error = world.apply_to(&planned.steps[0].action, &Careless).await.unwrap_err();
    assert!(error.contains("denied"), "{error}");
    world.settle().await;
    let facts = world.facts(&wish).await;
    let states = secret::states(&wish, &facts, None);
    assert_eq!(states["apps/db"], State::InSync);
    world.by_hand("db", "password", Some(CANARY)).await;
    let changed = world.plan().await;
    let all = [
        serde_json::to_string(&planned.steps).unwrap(),
        serde_json::to_string(&changed.steps).unwrap(),
        serde_json::to_string(&(&wish, &facts, &states)).unwrap(),
        format!("{planned:?} {changed:?} {wish:?} {facts:?} {states:?}"),
        error,
    ];
    let needles = ["canary".to_owned(), STANDARD.encode(CANARY), "ENC[".to_owned()];
    let proof = world.live("db").await.unwrap().to_string();
    assert!(proof.contains(&needles[1]), "the search can find it");
    for text in all {
        for needle in &needles {
            assert!(!text.contains(needle.as_str()), "{needle} is in {text}");
        }
    }
}
