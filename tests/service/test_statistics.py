from service.statistics import Executions, Inferences, total


def entry(last: int, sizes: tuple[int, ...]) -> dict[str, object]:
    """What a worker tells that was asked once for each of these calls of the model."""
    inferences, executions = Inferences(), Executions()
    for size in sizes:
        inferences.success.add(0.5)
        executions.add(size, size, 0.25, 0.5, 0.125)
    return {
        "name": "elman",
        "version": "7",
        "last_inference": last,
        "inference_count": executions.inferences,
        "execution_count": executions.count,
        "inference_stats": inferences.json(),
        "batch_stats": list(executions.json()),
    }


def test_the_statistics_of_workers_are_added_and_the_last_inference_is_the_latest() -> None:
    added = total([entry(50, (1, 2)), entry(70, (2, 8)), entry(0, ())])
    assert (added["name"], added["version"], added["last_inference"]) == ("elman", "7", 70)
    assert (added["inference_count"], added["execution_count"]) == (13, 4)
    assert added["inference_stats"]["success"] == {"count": 4, "ns": 2 * 10**9}
    assert added["inference_stats"]["fail"] == {"count": 0, "ns": 0}
    assert [(batch["batch_size"], batch["compute_infer"]["count"]) for batch in added["batch_stats"]] == [
        (1, 1),
        (2, 2),
        (8, 1),
    ]


def test_of_one_worker_they_are_its_own() -> None:
    assert total([entry(50, (1, 2, 2))]) == entry(50, (1, 2, 2))
