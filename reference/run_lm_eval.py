"""Runs lm-evaluation-harness itself on task files of ours, over our server, and writes what it found item by item.

    pip install "lm_eval[api]==0.4.13" transformers
    engram serve assets/shakespeare --port 8080 --parallel 1
    python reference/run_lm_eval.py --url http://127.0.0.1:8080/v1/completions --model assets/shakespeare \
        --tasks test/golden/lm-eval --context 128 --out test/golden/lm-eval/found.json

The harness cuts texts into tokens by Hugging Face's reading of the model's tokenizer.json, puts the prompts together
and computes every figure; the server gives it log-probabilities of tokens and continuations. `--context` is what the
model may read at most; over an API the harness counts two tokens more.
"""

import argparse
import glob
import hashlib
import importlib.metadata
import json
import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Progress bars of pools would be all that is seen.
os.environ.setdefault("DISABLE_MULTIPROC", "1")

import yaml  # noqa: E402
from lm_eval import simple_evaluate  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.utils import make_table  # noqa: E402

SAME = [
    "output_type",
    "description",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "target_delimiter",
    "fewshot_delimiter",
    "num_fewshot",
    "filter_list",
]


def harness_config(task, name, data, examples):
    """A task of ours as the harness writes it: the same words, and datasets where we have files."""
    config = {"task": name, "dataset_path": "json", "metadata": {"version": task.get("version", 0)}}
    config["dataset_kwargs"] = {"data_files": {"test": data, **({"dev": examples} if examples else {})}}
    config.update({key: task[key] for key in SAME if key in task})
    config.setdefault("doc_to_text", "")
    config["test_split"] = "test"
    config["fewshot_split"] = "dev" if examples else "test"
    config["fewshot_config"] = {"sampler": task.get("fewshot_sampler", "default")}
    if isinstance(config.get("doc_to_choice"), list):
        # A list of templates is one template that makes a list.
        inner = ", ".join(one.strip("{} ") for one in config["doc_to_choice"])
        config["doc_to_choice"] = "{{[" + inner + "]}}"
    if "generation_kwargs" in task:
        config["generation_kwargs"] = {**task["generation_kwargs"], "do_sample": False, "temperature": 0.0}
    if "metric_list" in task:
        config["metric_list"] = [
            {"metric": one} if isinstance(one, str) else one for one in task["metric_list"]
        ]
    return config


def write_configs(folder, to):
    names = []
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="utf-8") as file:
            task = json.load(file)
        if "output_type" not in task:
            continue
        name = task["task"]
        names.append(name)
        data = os.path.abspath(os.path.join(folder, task["data"]))
        examples = task.get("fewshot_data")
        examples = examples and os.path.abspath(os.path.join(folder, examples))
        begin, star, end = data.partition("*")
        if not star:
            configs = [harness_config(task, name, data, examples)]
        else:
            stars = sorted(one[len(begin) : -len(end)] for one in glob.glob(data))
            configs = [harness_config(task, f"{name}_{one}", begin + one + end, None) for one in stars]
            weight = task.get("weight_by_size", True)
            mean = {"metric": "acc", "aggregation": "mean", "weight_by_size": weight}
            group = {
                "group": name,
                "task": [config["task"] for config in configs],
                "aggregate_metric_list": [mean],
                "metadata": {"version": task.get("version", 0)},
            }
            with open(os.path.join(to, f"_{name}.yaml"), "w", encoding="utf-8") as file:
                yaml.safe_dump(group, file)
        for config in configs:
            with open(os.path.join(to, f"{config['task']}.yaml"), "w", encoding="utf-8") as file:
                yaml.safe_dump(config, file)
    return names


def tokenizer_folder(model, to):
    """The model's tokenizer with what `transformers` wants to know besides."""
    with open(os.path.join(model, "tokenizer.json"), encoding="utf-8") as file:
        text = file.read()
    special = [one["content"] for one in json.loads(text)["added_tokens"] if one["special"]]
    with open(os.path.join(to, "tokenizer.json"), "w", encoding="utf-8") as file:
        file.write(text)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": special[0]}
    with open(os.path.join(to, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file)
    return to


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.item() if hasattr(value, "item") else value


def samples_of(samples):
    """What was asked, answered and counted, document by document and filter by filter."""
    return [
        {
            "doc_id": one["doc_id"],
            "filter": one["filter"],
            "arguments": [list(args)[:2] for args in one["arguments"]],
            "resps": plain([resps[0] for resps in one["resps"]]),
            "filtered": plain(one["filtered_resps"]),
            "metrics": {metric: plain(one[metric]) for metric in one["metrics"]},
        }
        for one in sorted(samples, key=lambda one: (one["filter"], one["doc_id"]))
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--out", required=True, nargs="+", help="one for each url")
    args = parser.parse_args()
    for url, out in zip(args.url, args.out, strict=True):
        evaluate(args, url, out)


def evaluate(args, url, out):
    with tempfile.TemporaryDirectory() as configs, tempfile.TemporaryDirectory() as tokenizer:
        names = write_configs(args.tasks, configs)
        found = simple_evaluate(
            model="local-completions",
            model_args={
                "model": "",
                "base_url": url,
                "tokenizer_backend": "huggingface",
                "tokenizer": tokenizer_folder(args.model, tokenizer),
                "max_length": args.context + 2,
                "num_concurrent": 1,
                "max_retries": 1,
            },
            tasks=names,
            task_manager=TaskManager(include_path=configs, include_defaults=False),
            log_samples=True,
            bootstrap_iters=100000,
        )
    with open(os.path.join(args.model, "model.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    keys = ["results", "versions", "n-shot", "higher_is_better", "n-samples"]
    document = {
        "by": f"lm_eval {importlib.metadata.version('lm_eval')}, reference/run_lm_eval.py",
        "model": {"name": os.path.basename(os.path.normpath(args.model)), "sha256": digest},
        "context": args.context,
        **{key: plain(found[key]) for key in keys},
        "table": make_table(found),
        "samples": {name: samples_of(found["samples"][name]) for name in found["samples"]},
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=1)
        file.write("\n")


main()
