"""Reads with MLflow's own client what nimbusguard told a server: check_mlflow.py URL CHAMPION CHALLENGER FOLDER.
The two are model files: the aliases must point at versions whose artifacts are these files byte by byte, with the runs'
parameters and metrics beside them. Exit status 1, with words, when anything is otherwise."""

import json
import pathlib
import subprocess
import sys

import mlflow

url, champion, challenger, folder = sys.argv[1:5]
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("nimbusguard")
runs = client.search_runs([experiment.experiment_id])
if len(runs) != 2 or any(run.info.status != "FINISHED" for run in runs):
    sys.exit(f"two finished runs are wanted, not {[(run.info.run_name, run.info.status) for run in runs]}")


def check(alias, path):
    version = client.get_model_version_by_alias("nimbusguard-forecast", alias)
    run = client.get_run(version.run_id)
    shown = subprocess.run([sys.argv[5], "models", "show", path, "--json"], check=True, capture_output=True)
    model = json.loads(shown.stdout)
    if run.data.params["checksum"] != model["checksum"] or run.data.params["seed"] != str(model["seed"]):
        sys.exit(f"{alias}: {run.data.params} is not {model}")
    if run.data.metrics != model["scores"]:
        sys.exit(f"{alias}: {run.data.metrics} is not {model['scores']}")
    if not run.info.start_time <= run.info.end_time:
        sys.exit(f"{alias}: it ended before it began")
    target = pathlib.Path(folder) / alias
    target.mkdir()
    fetched = mlflow.artifacts.download_artifacts(artifact_uri=version.source, dst_path=str(target))
    files = [file for file in pathlib.Path(fetched).rglob("*") if file.is_file()]
    if len(files) != 1 or files[0].read_bytes() != pathlib.Path(path).read_bytes():
        sys.exit(f"{alias}: the artifact is not the model file")
    print(f"{alias}: version {version.version}, run {run.info.run_name}")


check("champion", champion)
check("challenger", challenger)
print("mlflow", mlflow.__version__)
