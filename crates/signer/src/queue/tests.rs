use std::time::Duration;

use super::*;

const CAPACITY: Capacity = Capacity { queued: 100, remembered: 100 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn rule(number: u8) -> RuleId {
    RuleId::from_stored(&format!("{number:032x}"))
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn repository() -> Repository {
    Repository::parse("r.example/team/app").unwrap()
}

fn candidate(rule: &RuleId, name: &str) -> Candidate {
    Candidate {
        rule: rule.clone(),
        repository: repository(),
        digest: digest(name),
        tag: Some(name.to_owned()),
        pushed: at(1000).as_millisecond(),
        requested: false,
        actor: None,
    }
}

fn requested(rule: &RuleId, name: &str) -> Candidate {
    Candidate { requested: true, ..candidate(rule, name) }
}

async fn begun(directory: &Path, rules: &[&RuleId]) -> Queue {
    let queue = Queue::open(directory, CAPACITY).unwrap();
    begin(&queue, rules, 1000).await;
    queue
}

async fn begin(queue: &Queue, rules: &[&RuleId], second: i64) -> Vec<RuleRecord> {
    let rules = rules.iter().map(|&rule| (rule.clone(), "name".to_owned())).collect();
    queue.begin(rules, at(second)).await.unwrap()
}

async fn offer(queue: &Queue, candidates: Vec<Candidate>, second: i64) -> [usize; 3] {
    let Offered { queued, known, older } = queue.offer(candidates, at(second)).await.unwrap();
    [queued, known, older]
}

async fn nothing_is_due(queue: &Queue) -> bool {
    tokio::time::timeout(Duration::from_millis(100), queue.next()).await.is_err()
}

fn signed_until(renew: Option<i64>) -> JobResult {
    let manifests = vec![digest("manifest").to_string()];
    JobResult::Signed { manifests, at: 0, audit: "{}".to_owned(), renew }
}

fn signed() -> JobResult {
    signed_until(None)
}

/// Opens it again after the writer of the last one has closed it.
async fn reopened(queue: Queue, directory: &Path) -> Queue {
    drop(queue);
    loop {
        match Queue::open(directory, CAPACITY) {
            Err(QueueError::Taken) => tokio::time::sleep(Duration::from_millis(5)).await,
            opened => return opened.unwrap(),
        }
    }
}

#[tokio::test]
async fn an_image_is_queued_once_and_signed_once() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (rule(1), rule(2));
    let queue = begun(directory.path(), &[&one, &two]).await;
    assert_eq!(offer(&queue, vec![candidate(&one, "a"), candidate(&one, "a")], 1000).await, [1, 1, 0]);
    assert_eq!(offer(&queue, vec![candidate(&two, "a")], 1000).await, [1, 0, 0]);
    let (job_id, job) = queue.next().await;
    assert_eq!((job.digest.as_str(), job.tags.as_slice()), (digest("a").as_str(), &["a".to_owned()][..]));
    assert!(
        nothing_is_due(&queue).await,
        "two rules write to one manifest of signatures, one after the other"
    );
    queue.complete(job_id, signed()).await.unwrap();
    let (job_id, other) = queue.next().await;
    assert_ne!(job.rule, other.rule);
    queue.complete(job_id, signed()).await.unwrap();
    assert_eq!(offer(&queue, vec![candidate(&one, "a")], 1000).await, [0, 1, 0]);
    let queue = reopened(queue, directory.path()).await;
    assert_eq!(offer(&queue, vec![candidate(&one, "a"), candidate(&two, "a")], 1000).await, [0, 2, 0]);
    assert_eq!(
        offer(&queue, vec![requested(&one, "a")], 1000).await,
        [1, 0, 0],
        "requested, it is looked up"
    );
    assert_eq!(std::fs::read_to_string(directory.path().join("audit.jsonl")).unwrap(), "{}\n{}\n");
}

#[tokio::test]
async fn accepted_jobs_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let one = rule(1);
    let queue = begun(directory.path(), &[&one]).await;
    offer(&queue, vec![candidate(&one, "a"), candidate(&one, "b"), candidate(&one, "c")], 1000).await;
    let (again, _) = queue.next().await;
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let error = "the registry is busy".to_owned();
    queue.complete(again, JobResult::Again { not_before: later.as_millisecond(), error }).await.unwrap();
    let (parked, _) = queue.next().await;
    queue.complete(parked, JobResult::Parked { error: "poison".to_owned() }).await.unwrap();
    // The third is in progress when the process ends.
    let (_, lost) = queue.next().await;
    let queue = reopened(queue, directory.path()).await;
    assert_eq!(queue.depth(), Depth { waiting: 2, busy: 0, parked: 1, renewing: 0 });
    assert_eq!(queue.parked(10)[0].error.as_deref(), Some("poison"));
    let (_, job) = queue.next().await;
    assert_eq!(job, lost);
    assert!(nothing_is_due(&queue).await, "one waits for an hour, one is parked");
    // Another push restarts the parked one.
    assert_eq!(offer(&queue, vec![candidate(&one, "b")], 1000).await, [0, 1, 0]);
    let (_, job) = queue.next().await;
    assert_eq!((job.digest.as_str(), job.attempts), (digest("b").as_str(), 0));
}

#[tokio::test]
async fn a_signature_that_expires_is_due_again_and_takes_no_place_in_the_queue() {
    let directory = tempfile::tempdir().unwrap();
    let one = rule(1);
    let queue = begun(directory.path(), &[&one]).await;
    let renewing = |renewing| Depth { waiting: 0, busy: 0, parked: 0, renewing };
    let later = (Timestamp::now() + jiff::SignedDuration::from_hours(1)).as_millisecond();
    let names: Vec<String> = (0..=CAPACITY.queued).map(|number| number.to_string()).collect();
    for name in &names {
        assert_eq!(offer(&queue, vec![candidate(&one, name)], 1000).await, [1, 0, 0], "{name}");
        let (job_id, _) = queue.next().await;
        queue.complete(job_id, signed_until(Some(later))).await.unwrap();
    }
    assert_eq!(queue.depth(), renewing(CAPACITY.queued), "one above the limit is not renewed");
    let queue = reopened(queue, directory.path()).await;
    assert_eq!(queue.depth(), renewing(CAPACITY.queued));
    assert!(nothing_is_due(&queue).await);
    assert_eq!(offer(&queue, vec![candidate(&one, "0")], 1000).await, [0, 1, 0], "it is signed");
    assert!(nothing_is_due(&queue).await);
    assert_eq!(offer(&queue, vec![requested(&one, "0")], 1000).await, [0, 1, 0]);
    let (job_id, job) = queue.next().await;
    assert!(!job.renewing, "it was requested");
    let now = Timestamp::now().as_millisecond();
    queue.complete(job_id, signed_until(Some(now))).await.unwrap();
    let (job_id, job) = queue.next().await;
    assert_eq!((job.renewing, job.received), (true, now));
    let again = JobResult::Again { not_before: later, error: "the key is unavailable".to_owned() };
    queue.complete(job_id, again).await.unwrap();
    let expected = Depth { waiting: 1, renewing: CAPACITY.queued - 1, ..renewing(0) };
    assert_eq!(queue.depth(), expected, "it waits to be signed");
}

#[tokio::test]
async fn an_image_older_than_its_rule_is_queued_only_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let one = rule(1);
    let queue = begun(directory.path(), &[&one]).await;
    // Pushed during the baseline: not older, whichever came first.
    offer(&queue, vec![candidate(&one, "pushed")], 1001).await;
    let images = ["old", "pushed", "late"].map(|name| (repository(), digest(name)));
    queue.older(one.clone(), images.into()).await.unwrap();
    queue.listed(one.clone(), at(1010)).await.unwrap();
    assert_eq!(offer(&queue, vec![candidate(&one, "pushed")], 1020).await, [0, 1, 0]);
    assert_eq!(offer(&queue, vec![candidate(&one, "late")], 1020).await, [1, 0, 0]);
    // A push with a time before the rule is older in any case; later on, the time is ignored.
    let early = Candidate { pushed: at(999).as_millisecond(), ..candidate(&one, "old") };
    assert_eq!(offer(&queue, vec![early], 1020).await, [0, 0, 1]);
    assert_eq!(offer(&queue, vec![candidate(&one, "old")], 1071).await, [0, 0, 1]);
    let queue = reopened(queue, directory.path()).await;
    assert_eq!(offer(&queue, vec![candidate(&one, "old")], 2000).await, [0, 0, 1]);
    assert_eq!(offer(&queue, vec![requested(&one, "old")], 2000).await, [1, 0, 0]);
    // Requested and missing in the registry, it is older as before.
    for _ in 0..3 {
        let (job_id, job) = queue.next().await;
        queue.complete(job_id, JobResult::Dropped { pushes: job.pushes }).await.unwrap();
    }
    assert_eq!(offer(&queue, vec![candidate(&one, "old"), candidate(&one, "pushed")], 2000).await, [1, 0, 1]);
}

#[tokio::test]
async fn a_push_while_an_image_is_dropped_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let one = rule(1);
    let queue = begun(directory.path(), &[&one]).await;
    offer(&queue, vec![candidate(&one, "a")], 1000).await;
    let (job_id, job) = queue.next().await;
    let again = Candidate { tag: Some("other".to_owned()), ..candidate(&one, "a") };
    assert_eq!(offer(&queue, vec![again], 1000).await, [0, 1, 0]);
    queue.complete(job_id, JobResult::Dropped { pushes: job.pushes }).await.unwrap();
    let (job_id, job) = queue.next().await;
    assert_eq!(job.tags, ["a", "other"]);
    queue.complete(job_id, JobResult::Dropped { pushes: job.pushes }).await.unwrap();
    assert_eq!(queue.depth(), Depth::default());
    assert_eq!(offer(&queue, vec![candidate(&one, "a")], 1000).await, [1, 0, 0]);
}

#[tokio::test]
async fn a_removed_rule_loses_its_state() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (rule(1), rule(2));
    let queue = begun(directory.path(), &[&one, &two]).await;
    offer(&queue, vec![candidate(&one, "a"), candidate(&two, "b")], 1000).await;
    queue.older(one.clone(), vec![(repository(), digest("old"))]).await.unwrap();
    queue.listed(one.clone(), at(1001)).await.unwrap();
    let kept = begin(&queue, &[&two], 2000).await;
    assert_eq!(kept[0].since, at(1000).as_millisecond(), "a rule that stays keeps its time");
    assert_eq!(queue.depth().waiting, 1);
    assert_eq!(offer(&queue, vec![candidate(&one, "c")], 2000).await, [0, 0, 0], "it is no rule any more");
    let records = begin(&queue, &[&one, &two], 3000).await;
    assert_eq!((records[0].since, records[0].listed), (at(3000).as_millisecond(), None));
    assert_eq!(offer(&queue, vec![candidate(&one, "old")], 3000).await, [1, 0, 0]);
}

#[tokio::test]
async fn a_notification_is_queued_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let one = rule(1);
    let queue = begun(directory.path(), &[&one]).await;
    let many =
        |from: usize, to: usize| (from..to).map(|n| candidate(&one, &n.to_string())).collect::<Vec<_>>();
    assert_eq!(offer(&queue, many(0, 99), 1000).await, [99, 0, 0]);
    let full = queue.offer(many(99, 101), at(1000)).await;
    assert!(matches!(full, Err(QueueError::Full(99))), "{full:?}");
    assert_eq!(queue.depth().waiting, 99);
    assert_eq!(offer(&queue, many(99, 100), 1000).await, [1, 0, 0]);
}

#[tokio::test]
async fn signed_images_are_deleted_in_order_and_older_ones_never() {
    let directory = tempfile::tempdir().unwrap();
    let one = rule(1);
    let queue = Queue::open(directory.path(), Capacity { queued: 100, remembered: 2 }).unwrap();
    begin(&queue, &[&one], 1000).await;
    queue.older(one.clone(), vec![(repository(), digest("old"))]).await.unwrap();
    queue.listed(one.clone(), at(1001)).await.unwrap();
    for name in ["a", "b", "c"] {
        offer(&queue, vec![candidate(&one, name)], 2000).await;
        let (job_id, _) = queue.next().await;
        queue.complete(job_id, signed()).await.unwrap();
    }
    let all = ["a", "b", "c", "old"].map(|name| candidate(&one, name));
    assert_eq!(offer(&queue, all.into(), 2000).await, [1, 2, 1]);
}

#[tokio::test]
async fn only_one_process_has_it_open() {
    let directory = tempfile::tempdir().unwrap();
    let _queue = Queue::open(directory.path(), CAPACITY).unwrap();
    assert!(matches!(Queue::open(directory.path(), CAPACITY), Err(QueueError::Taken)));
}
