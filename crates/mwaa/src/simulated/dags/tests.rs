use super::*;

/// The DAGs of a source, each as `id: task(waits for), …`.
fn shown(source: &str) -> Vec<String> {
    let dags = read(source, "folder/my_file.py").expect("it is Python");
    let show = |dag: &Dag| {
        let tasks = dag.tasks.iter().map(|task| {
            let upstream: Vec<&str> = task.upstream.iter().map(|at| dag.tasks[*at].id.as_str()).collect();
            if upstream.is_empty() { task.id.clone() } else { format!("{}({})", task.id, upstream.join(" ")) }
        });
        format!("{}: {}", dag.id, tasks.collect::<Vec<_>>().join(", "))
    };
    dags.iter().map(show).collect()
}

fn check(source: &str, expect: &[&str]) {
    assert_eq!(shown(source), expect, "{source}");
}

#[test]
fn dags_as_contexts() {
    check(
        r#"
from airflow import DAG
with DAG(
    "hello",
    start_date=datetime(2024, 1, 1),
) as dag:
    a = BashOperator(task_id="greet", bash_command="echo hi")
    b = EmptyOperator(task_id="leave")
    c, d = 1, 2
    a >> b
with airflow.DAG(dag_id='other'), open("x") as f:
    PythonOperator(task_id="only", python_callable=lambda: print(1))
"#,
        &["hello: greet, leave(greet)", "other: only"],
    );
}

#[test]
fn dags_as_variables() {
    check(
        r#"
DAG_ID = os.path.basename(__file__).replace(".py", "")
dag = DAG(dag_id=DAG_ID, schedule_interval=None)
other = DAG("other")
t = BashOperator(task_id="one", dag=dag)
u = BashOperator(task_id="two", dag=dag)
v = BashOperator(task_id="three", dag=other)
t.set_downstream(u)
with other:
    w = EmptyOperator(task_id="four")
v >> w
"#,
        &["my_file: one, two(one)", "other: three, four(three)"],
    );
}

#[test]
fn decorated_functions() {
    check(
        r#"
@dag(schedule="@daily", tags=["x"])
def pipeline():
    @task
    def extract():
        return helper(task_id="not a task")
    @task(task_id="change", multiple_outputs=True)
    def transform(order):
        return order
    @task.bash
    def load(total):
        return "echo"
    orders = extract()
    load(transform(orders)["total"])
    load.override(task_id="again")(orders)
    load(1)
pipeline()

@dag
def plain():
    EmptyOperator(task_id="x")
"#,
        &["pipeline: extract, change(extract), load(change), again(extract), load__1", "plain: x"],
    );
}

#[test]
fn dependencies_of_all_kinds() {
    check(
        r#"
with DAG("d") as dag:
    a, b = EmptyOperator(task_id="skipped"), 2
    a = EmptyOperator(task_id="a")
    b = EmptyOperator(task_id="b")
    c = EmptyOperator(task_id="c")
    d = EmptyOperator(task_id="d")
    e = EmptyOperator(task_id="e")
    a >> [b, c] >> d << e
    chain(e, (EmptyOperator(task_id="f")), EmptyOperator(task_id="g"))
    BashOperator.partial(task_id="h").expand(command=c.output)
"#,
        &["d: skipped, a, b(a), c(a), d(b c e), e, f(e), g(f), h(c)"],
    );
}

#[test]
fn groups_prefix_their_tasks() {
    check(
        r#"
with DAG("d"):
    start = EmptyOperator(task_id="start")
    with TaskGroup(group_id="g") as group:
        one = EmptyOperator(task_id="one")
        with TaskGroup("inner"):
            two = EmptyOperator(task_id="two")
        one >> two
    end = EmptyOperator(task_id="end")
    start >> group >> end
"#,
        &["d: start, g.one(start), g.inner.two(start g.one), end(g.one g.inner.two)"],
    );
}

#[test]
fn facts_of_dags() {
    let source = r#"
default_args = {"owner": "birds", "retries": 1}
DAG("d", schedule=timedelta(hours=1), description="Sings", tags=["a", 'b'], default_args=default_args, catchup=False,
    is_paused_upon_creation=True, max_active_runs=3)
DAG("e", schedule_interval="0 4 * * *", default_args={"owner": "me"})
DAG("f", schedule=None)
"#;
    let dags = read(source, "x.py").expect("it is Python");
    assert_eq!(dags[0].schedule.as_deref(), Some("timedelta(hours=1)"));
    assert_eq!((dags[0].owner.as_deref(), dags[0].description.as_deref()), (Some("birds"), Some("Sings")));
    assert_eq!((&dags[0].tags[..], dags[0].catchup), (&["a".to_owned(), "b".to_owned()][..], Some(false)));
    assert_eq!((dags[0].paused_upon_creation, dags[0].max_active_runs), (Some(true), Some(3)));
    assert_eq!((dags[1].schedule.as_deref(), dags[1].owner.as_deref()), (Some("0 4 * * *"), Some("me")));
    assert_eq!((dags[2].schedule.as_deref(), dags[2].schedule_given, dags[1].catchup), (None, true, None));
}

#[test]
fn no_source_is_too_odd() {
    check("", &[]);
    check("with", &[]);
    check("@", &[]);
    check("def", &[]);
    check("@dag(\n)\ndef", &[]);
    check("x = ", &[]);
    check(">> << >>", &[]);
    check("with DAG() as", &["my_file: "]);
    check("EmptyOperator(task_id='nowhere')", &[]);
    check("DAG.DAG.(x)", &[]);
    check("with TaskGroup():\n  @task\n  def x(): pass\n  x() >> x()", &[]);
    assert!(read("with DAG('x') as d:\n  a = BashOperator(task_id='a'\n", "x.py").is_err());
}

#[test]
fn order_follows_dependencies() {
    let dags = read("with DAG('d'):\n b = A(task_id='b')\n a = A(task_id='a')\n a >> b >> A(task_id='c')\n", "x.py");
    let dag = &dags.expect("it is Python")[0];
    let ids: Vec<&str> = dag.in_order().into_iter().map(|at| dag.tasks[at].id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(dag.downstream(0), ["c"]);
}
