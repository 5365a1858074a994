//! A plan that is cut off wherever it writes: its process is killed, or its controller goes down. Whoever goes on finds out
//! what is there.

use super::*;
use crate::doom::Doom;
use crate::forest::connect_at;
use crate::wire::WRITES;
use std::process::Command;

/// A domain, and a plan for it that is applied and taken back again and again.
struct Trials {
    lab: Lab,
    connectors: [&'static str; 1],
    /// Connected to the controller itself.
    session: Arc<Session>,
    unit: String,
    plan: Value,
    /// The group policy object that the plan makes or edits.
    object: String,
    journals: tempfile::TempDir,
}

/// What a plan changes: the unit's list, the root's links, and of the policy object what `policy_files` tells, but for the
/// version.
type Seen = (Vec<u8>, String, Option<(Vec<u8>, String, String)>);

impl Trials {
    /// In the child no object sets the minimum age, so that one is made; in the parent one is edited.
    fn of(in_child: bool, days: u16, permissions: bool) -> Trials {
        let lab = Lab::all().remove(usize::from(in_child));
        let (unit, account) = match in_child {
            true => (PEOPLE.to_string(), "child1"),
            false => (format!("OU=Service,{ROOT}"), "svc-trial"),
        };
        let session = open(&json!({}));
        connect(&session, &lab, &lab.dns_server, &[account]);
        let mut desired = json!({"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": days, "method": "sysvol"}});
        let mut steps = vec!["password_policy"];
        if permissions {
            desired["directoryPermissions"] = json!({"users": true, "inetOrgPersons": true, "containers": [unit]});
            steps.push("directory_permissions");
        }
        let request = json!({"desired": desired.to_string(), "steps": steps, "allowSysvolWrite": true});
        let plan = create_plan(&session, request).unwrap();
        assert_eq!(plan["counts"]["change"], steps.len(), "{plan:#}");
        let mut changes = plan["changes"].as_array().unwrap().iter();
        let policy = changes.find(|change| change["kind"] == "Sysvol").unwrap();
        assert_eq!(policy["before"].is_null(), in_child, "{policy:#}");
        Trials {
            object: policy["write"]["object"].as_str().unwrap().into(),
            journals: tempfile::tempdir().unwrap(),
            connectors: [account],
            lab,
            session,
            unit,
            plan,
        }
    }

    fn journal(&self, told: &str) -> PathBuf {
        self.journals.path().join(format!("{told}.jsonl"))
    }

    fn seen(&self) -> Seen {
        let root = self.object.split_once(",CN=Policies,CN=System,").unwrap().1;
        let (list, links, is_there) = entra_sspr::task::runtime().unwrap().block_on(async {
            let mut admin = self.lab.open(&self.lab.administrator).await;
            let unit = admin
                .read(&self.unit, &["nTSecurityDescriptor"])
                .await
                .unwrap()
                .unwrap();
            let root = admin.read(root, &["gPLink"]).await.unwrap().unwrap();
            let object = admin.read(&self.object, &["cn"]).await.unwrap();
            let list = unit.value("nTSecurityDescriptor").unwrap().to_vec();
            (
                list,
                root.text("gPLink").unwrap_or_default().to_string(),
                object.is_some(),
            )
        });
        let has_files = policy_folder(&self.lab, &self.object).exists();
        assert_eq!(
            is_there, has_files,
            "the directory and SYSVOL both have the object, or neither"
        );
        let policy = is_there.then(|| {
            let (template, ini, extensions, _) = policy_files(&self.lab, &self.object);
            (template, ini, extensions)
        });
        (list, links, policy)
    }

    fn request(&self, journal: &Path) -> Value {
        json!({"journal": journal, "allowSysvolWrite": true, "effectiveSeconds": 0})
    }

    fn apply(&self, session: &Arc<Session>, journal: &Path) -> Value {
        let mut request = self.request(journal);
        request["plan"] = self.plan["plan"].clone();
        apply_plan(session, request).unwrap()
    }

    fn resume(&self, journal: &Path) -> Result<Value> {
        let mut request = self.request(journal);
        request["resume"] = true.into();
        apply_plan(&self.session, request)
    }

    /// Applies it once and takes it back: what stands before, and what then.
    fn ends(&self) -> (Seen, Seen) {
        let journal = self.journal("whole");
        let before = self.seen();
        assert_eq!(self.apply(&self.session, &journal)["complete"], true);
        let after = self.seen();
        assert_eq!(
            self.resume(&journal).unwrap()["counts"]["done"],
            0,
            "nothing is done twice"
        );
        assert_eq!(undo(&self.session, &journal, &[]).unwrap()["complete"], true);
        assert!(self.seen() == before && after != before);
        (before, after)
    }

    /// What was cut off is gone on with, where that is asked for, and then taken back.
    fn settle(&self, journal: &Path, told: &str, goes_on: bool, (before, after): &(Seen, Seen)) {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        if !text.contains('\n') {
            assert!(!journal.exists(), "{told}: it appears with its first line");
            assert_eq!(self.seen(), *before, "{told}");
            return;
        }
        if goes_on {
            let resumed = self.resume(journal).unwrap();
            assert_eq!(resumed["complete"], true, "{told}: {resumed:#}\n{text}");
            assert_eq!(self.seen(), *after, "{told}: {text}");
        }
        let undone = undo(&self.session, journal, &[]).unwrap();
        assert_eq!(undone["complete"], true, "{told}: {undone:#}\n{text}");
        assert_eq!(self.seen(), *before, "{told}: {text}");
    }
}

/// Where a process is killed. Between these it only reads, or syncs, and leaves the same wherever it dies.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// At so many writes to the directory: the controller does not get that one, or it does and nobody hears its answer.
    Write(usize, Cut),
    /// Behind so many steps in files, which `cut_off.c` counts.
    File(usize),
}

/// The process that the next one has killed: it applies a plan, or takes it back.
#[test]
#[ignore = "needs the directory lab"]
fn a_process_that_applies() {
    let Ok(trial) = std::env::var("SSPR_TRIAL") else {
        return;
    };
    let trial: Value = serde_json::from_str(&trial).unwrap();
    let mut labs = Lab::all().into_iter();
    let lab = labs.find(|lab| trial["domain"] == *lab.domain).unwrap();
    let text = |name: &str| trial[name].as_str().unwrap();
    let session = open(&json!({}));
    let port = trial["port"].as_u64().unwrap() as u16;
    connect_at(&session, &lab, port, Path::new(text("caFile")), &[text("connector")]);
    let request = trial["request"].clone();
    let came = match request["plan"].is_string() {
        true => apply_plan(&session, request),
        false => undo_plan(&session, request),
    };
    assert_eq!(came.unwrap()["complete"], true);
}

/// Where processes are killed that are connected through a server of this one's.
struct Gallows<'t> {
    trials: &'t Trials,
    doom: Doom,
    /// `cut_off.c`, compiled.
    preload: PathBuf,
    /// Whether it counts the steps in the journal too.
    in_journal: bool,
}

impl<'t> Gallows<'t> {
    fn new(trials: &'t Trials, in_journal: bool) -> Self {
        let preload = trials.journals.path().join("cut_off.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/directory/plan/cut_off.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        assert!(
            compiler
                .args([&preload, &source])
                .arg("-ldl")
                .status()
                .unwrap()
                .success()
        );
        Gallows {
            doom: Doom::before(&trials.lab),
            trials,
            preload,
            in_journal,
        }
    }

    /// Lets a process apply the plan, or take back what a journal says. False where it came to its end.
    fn kills(&self, journal: &Path, back: bool, point: Point) -> bool {
        let trials = self.trials;
        let mut request = trials.request(journal);
        match back {
            true => drop(request.as_object_mut().unwrap().remove("effectiveSeconds")),
            false => request["plan"] = trials.plan["plan"].clone(),
        }
        let trial = json!({
            "domain": trials.lab.domain, "port": self.doom.port(), "caFile": self.doom.ca_file(),
            "connector": trials.connectors[0], "request": request,
        });
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "plan::cut_off::a_process_that_applies"])
            .env("SSPR_TRIAL", trial.to_string());
        let (writes, cut) = match point {
            Point::Write(writes, cut) => (writes, cut),
            Point::File(steps) => {
                let mut files = policy_folder(&trials.lab, &trials.object).display().to_string();
                if self.in_journal {
                    // It is made beside its place under another name, with its first line.
                    let made = trials.journals.path().join(".tmp");
                    files += &format!(":{}:{}", journal.display(), made.display());
                }
                command
                    .env("LD_PRELOAD", &self.preload)
                    .env("CUT_OFF_FILES", files)
                    .env("CUT_OFF_AT", steps.to_string());
                (0, Cut::Before)
            }
        };
        self.doom.kills(&mut command, writes, cut).1
    }
}

/// At every write and every step in a file, there and back; says at how many. What stands then is once gone on with and once
/// taken back: behind a write it is what stands before the next.
fn is_killed_everywhere(trials: &Trials, in_journal: bool) -> [usize; 4] {
    let gallows = Gallows::new(trials, in_journal);
    let ends = trials.ends();
    let in_files = |at| [(Point::File(at), true), (Point::File(at), false)];
    let at_writes = |at| {
        [
            (Point::Write(at, Cut::Before), true),
            (Point::Write(at, Cut::After), false),
        ]
    };
    let mut counts = [0; 4];
    for (kind, count) in counts.iter_mut().enumerate() {
        let back = kind >= 2;
        'killed: for at in 1.. {
            let points = if kind % 2 == 0 { at_writes(at) } else { in_files(at) };
            for (point, goes_on) in points {
                let told = format!("{point:?}, back {back}, goes on {goes_on}");
                let journal = trials.journal(&told);
                if back {
                    assert_eq!(trials.apply(&trials.session, &journal)["complete"], true, "{told}");
                }
                let is_killed = gallows.kills(&journal, back, point);
                trials.settle(&journal, &told, goes_on, &ends);
                if !is_killed {
                    break 'killed;
                }
            }
            *count = at;
        }
    }
    counts
}

/// A list is edited, and a policy made; and one is edited, where the journal's lines are cut off too.
#[test]
#[ignore = "needs the directory lab"]
fn a_plan_that_is_killed_at_any_point_is_finished_or_taken_back() {
    let _turn = TURN.lock();
    let (made, edited) = (Trials::of(true, 0, true), Trials::of(false, 12, false));
    let counts = std::thread::scope(|scope| {
        let other = scope.spawn(|| is_killed_everywhere(&edited, true));
        (is_killed_everywhere(&made, false), other.join().unwrap())
    });
    // In the directory: the list, the object and its two containers, its extensions, its version, its link; taken back without
    // extensions and version. In files: five folders, and of two files each the file and two steps; files and folders.
    assert_eq!(counts.0, [7, 11, 5, 7]);
    // Extensions and version. The journal and two steps for each of its three lines, and for each of two files; taken back with
    // two lines, and a template that becomes shorter.
    assert_eq!(counts.1, [2, 11, 2, 9]);
}

/// How a controller goes down.
struct Outage {
    /// At so many writes.
    writes: usize,
    /// What becomes of that one; None: it is answered, and what is asked next finds nobody.
    cut: Option<Cut>,
    is_down: bool,
}

/// The answer to one write after another is lost, and the controller is gone for a while; so it is at these other points.
fn goes_down_everywhere(trials: &Trials, others: &[(usize, Option<Cut>)]) -> usize {
    let ends = trials.ends();
    let outage: Arc<Mutex<Option<Outage>>> = Arc::default();
    let next = Arc::clone(&outage);
    let server = Server::before(&trials.lab, move |asked| {
        let mut next = next.lock().unwrap();
        let Some(outage) = next.as_mut() else { return };
        if outage.is_down {
            asked.cut = Some(Cut::Before);
        } else if WRITES.contains(&asked.operation) {
            outage.writes -= 1;
            if outage.writes == 0 {
                outage.is_down = true;
                asked.cut = outage.cut;
            }
        }
    });
    let server = entra_sspr::task::runtime().unwrap().block_on(server);
    let session = open(&json!({}));
    connect_before(&session, &trials.lab, &server, &trials.connectors);
    let mut count = 0;
    let lost = (1..).map(|writes| (writes, Some(Cut::After)));
    for (trial, (writes, cut)) in others.iter().copied().chain(lost).enumerate() {
        let told = format!("down at write {writes}, {cut:?}");
        let journal = trials.journal(&told);
        *outage.lock().unwrap() = Some(Outage {
            writes,
            cut,
            is_down: false,
        });
        let came = trials.apply(&session, &journal);
        if !outage.lock().unwrap().take().unwrap().is_down {
            trials.settle(&journal, &told, false, &ends);
            break;
        }
        count += 1;
        // One is unreachable; what came before it is done, and what comes after is not tried.
        let text = std::fs::read_to_string(&journal).unwrap();
        assert_eq!(came["complete"], false, "{told}: {came:#}");
        let mut stopped = false;
        for change in came["changes"].as_array().unwrap() {
            let (id, outcome) = (change["id"].as_str().unwrap(), change["outcome"].as_str().unwrap());
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let own = lines.filter(|line| line["id"] == id);
            let marks: Vec<Value> = own.map(|line| line["mark"].clone()).collect();
            match outcome {
                "byHand" => assert_eq!(marks, [""; 0]),
                "done" => assert!(!stopped && marks == ["begun", "done"], "{told}: {text}"),
                "failed" => {
                    assert!(!stopped && marks == ["begun", "failed"], "{told}: {text}");
                    assert_eq!(change["error"]["name"], "Directory.Unreachable", "{told}: {came:#}");
                    stopped = true;
                }
                _ => assert!(
                    stopped && outcome == "notTried" && marks == [""; 0],
                    "{told}: {came:#}\n{text}"
                ),
            }
        }
        assert!(stopped, "{told}");
        trials.settle(&journal, &told, trial % 2 == 0, &ends);
    }
    count
}

/// A write is lost, or its answer, or what is asked behind it.
#[test]
#[ignore = "needs the directory lab"]
fn a_controller_that_goes_down_at_any_write_leaves_the_rest_to_be_resumed() {
    let _turn = TURN.lock();
    let (made, edited) = (Trials::of(true, 0, false), Trials::of(false, 12, true));
    let counts = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let others = [(1, Some(Cut::Before)), (1, None), (2, Some(Cut::Before))];
            goes_down_everywhere(&edited, &others)
        });
        let made = goes_down_everywhere(&made, &[(1, Some(Cut::Before))]);
        (made, other.join().unwrap())
    });
    // The object and its two containers, its extensions and version, and its link; a list, extensions and version.
    assert_eq!(counts, (1 + 6, 3 + 3));
}
