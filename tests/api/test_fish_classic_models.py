"""Life cycle of models that requests load, replace and delete."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.app import InMemory
from support.classic_models import FISH, FakeEngineFactory, error_of, fish_gateway, pausing, until, webui_load

from backends.base import Capabilities
from gateway.engine.client import State
from gateway.engine.fake import FakeEngine

OWN = {"device": "cpu"}
OTHER = {"device": "cuda:3"}


def put(gateway: InMemory, name: str, body: Any = None) -> Any:
    return gateway.client.put(f"/v1/models/{name}", json=body)


def delete(gateway: InMemory, name: str) -> Any:
    return gateway.client.delete(f"/v1/models/{name}")


def invoke(gateway: InMemory, name: str, **body: Any) -> Any:
    return gateway.client.post(f"/v1/models/{name}/invoke", json=body)


async def models(gateway: InMemory) -> list[str]:
    listed: list[str] = (await gateway.client.get("/v1/models")).json()["models"]
    return listed


async def engines(gateway: InMemory) -> list[str]:
    return [engine["name"] for engine in (await gateway.client.get("/v1/engines")).json()["engines"]]


def unloaded(**engine: Any) -> FakeEngine:
    return FakeEngine("fish", capabilities=FISH, state=State.UNLOADED, **engine)


async def loading(folder: Path, **settings: Any) -> tuple[InMemory, FakeEngine, asyncio.Task[Any]]:
    """A gateway, the engine that a PUT of the model ``mine`` is loading, and the PUT."""
    factory = FakeEngineFactory(loads_to=State.LOADING)
    gateway = fish_gateway(folder, factory=factory, **settings)
    putting = asyncio.create_task(put(gateway, "mine", OWN))
    await until(lambda: factory.engines and factory.engines[0].state is State.LOADING)
    return gateway, factory.engines[0], putting


@pytest.mark.parametrize("body", [None, {}, {"device": None, "llama": {}, "vqgan": None}])
async def test_empty_put_loads_the_configured_engine(tmp_path: Path, body: Any) -> None:
    factory = FakeEngineFactory()
    gateway = fish_gateway(tmp_path, unloaded(loads_to=State.READY), factory)
    assert await models(gateway) == ["default"], "also before any PUT"
    response = await put(gateway, "default", body)
    assert (response.status_code, response.json()) == (200, {"name": "default"})
    assert gateway.engine.state is State.READY
    assert (await gateway.client.put("/v1/models/default")).json() == {"name": "default"}, "also without a body"
    assert not factory.engines


async def test_webui_load_request_uses_the_configured_checkpoints(tmp_path: Path) -> None:
    factory = FakeEngineFactory()
    model = {"lm_checkpoint": "hf://a/b/lm.pth", "codec_checkpoint": "hf://a/b/c.pth", "slots": 2}
    gateway = fish_gateway(tmp_path, unloaded(), factory, model=model, max_queue=7, load="eager")
    response = await put(gateway, "default", webui_load())
    assert (response.status_code, response.json()) == (200, {"name": "default"}), response.text
    (settings,) = factory.settings
    assert (settings.device, settings.dtype) == ("cuda:0", "float16,auto")
    assert settings.model == model
    assert (settings.max_queue, settings.load) == (7, "lazy")
    assert (await invoke(gateway, "default")).headers["x-voxgate-engine"] == "fish:default"
    assert await engines(gateway) == ["fish", "fish:default"]
    assert gateway.engine.state is State.UNLOADED


class WithoutHalf(FakeEngine):
    """An engine on a device that lacks float16."""

    def __init__(self, *args: Any, capabilities: Capabilities, **more: Any):
        super().__init__(*args, capabilities=replace(capabilities, dtype="bfloat16"), **more)


async def test_precision_that_the_device_lacks_is_reported_as_ignored(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, factory=FakeEngineFactory(WithoutHalf))
    replaced = await put(gateway, "a", {"llama": {"precision": "float16"}})
    assert (replaced.status_code, replaced.headers["x-voxgate-ignored"]) == (200, "llama.precision"), replaced.text
    for body in ({"llama": {"precision": "bfloat16"}}, {"device": "cpu"}):
        assert "x-voxgate-ignored" not in (await put(gateway, "b", body)).headers
    (shown,) = [engine for engine in (await gateway.client.get("/v1/engines")).json()["engines"] if engine["dtype"]][:1]
    assert shown["dtype"] == "bfloat16"


async def test_omitted_put_fields_stay_as_configured(tmp_path: Path) -> None:
    factory = FakeEngineFactory()
    gateway = fish_gateway(tmp_path, factory=factory, device="cuda:1", dtype="bfloat16", model={"compile": False})
    assert (await put(gateway, "a", {"llama": {}, "vqgan": {}})).status_code == 200
    assert (await put(gateway, "b", {"llama": {"precision": "bfloat16", "compile": False}})).status_code == 200
    assert not factory.engines, "both use the configured engine"
    assert await models(gateway) == ["default", "a", "b"]
    assert (await put(gateway, "c", {"llama": {"precision": "float16"}})).status_code == 200
    (settings,) = factory.settings
    assert (settings.device, settings.dtype, settings.model) == ("cuda:1", "float16,auto", {"compile": False})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"llama": {"config_name": "llama3"}}, "llama.config_name"),
        ({"vqgan": {"config_name": "vqgan_pretrain_v2"}}, "vqgan.config_name"),
        ({"llama": {"precision": "float32"}}, "llama.precision"),
        ({"llama": {"compile": "perhaps"}}, "llama.compile"),
        ({"llama": []}, "llama"),
        ({"device": "tpu"}, "device"),
        ({"device": "cuda:0; rm"}, "device"),
    ],
)
async def test_invalid_put_field_is_named(tmp_path: Path, body: Any, field: str) -> None:
    gateway = fish_gateway(tmp_path)
    assert error_of(await put(gateway, "default", body), 422).startswith(f"{field}: ")
    assert await models(gateway) == ["default"]


@pytest.mark.parametrize("name", ["%2e%2e", "a:b", "x" * 65, "%20", "-a", "a%0a", "模型"])
async def test_unsafe_model_name_is_refused(tmp_path: Path, name: str) -> None:
    gateway = fish_gateway(tmp_path)
    assert error_of(await put(gateway, name, OWN), 422).startswith("name: ")


async def test_unknown_fields_are_listed_in_a_header(tmp_path: Path) -> None:
    response = await put(fish_gateway(tmp_path), "default", {"gpu": 1, "llama": {"max_length": 2048}})
    assert response.headers["x-voxgate-ignored"] == "gpu, llama.max_length"


async def test_model_may_have_the_name_of_a_configured_engine(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path)
    assert (await put(gateway, "fish", OWN)).status_code == 200
    assert await engines(gateway) == ["fish", "fish:fish"]
    assert [entry["id"] for entry in (await gateway.client.get("/v1/models")).json()["data"]] == ["fish", "default"]
    assert (await invoke(gateway, "fish")).headers["x-voxgate-engine"] == "fish:fish"


async def test_loaded_model_is_an_engine_of_the_native_api(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path)
    await put(gateway, "mine", OWN)
    spoken = await gateway.client.post("/tts", json={"text": "x", "engine": "fish:mine"})
    assert spoken.headers["x-voxgate-model"] == "fish-fake"
    shown = (await gateway.client.get("/v1/engines/fish:mine")).json()
    assert (shown["state"], shown["load"]) == ("ready", "lazy")
    await gateway.client.post("/v1/engines/fish:mine/unload")
    assert (await invoke(gateway, "mine")).status_code == 200, "a request loads it again"


async def test_deleted_model_unloads_its_engine(tmp_path: Path) -> None:
    factory = FakeEngineFactory()
    gateway = fish_gateway(tmp_path, factory=factory)
    await put(gateway, "mine", OWN)
    response = await delete(gateway, "mine")
    assert (response.status_code, response.json()) == (200, {"message": "Model deleted."})
    assert factory.engines[0].closed
    assert await engines(gateway) == ["fish"]
    assert error_of(await delete(gateway, "mine"), 400) == "Model not found."
    assert error_of(await invoke(gateway, "mine"), 404) == "Cannot find model."


async def test_deleted_default_model_can_be_loaded_again(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, FakeEngine("fish", capabilities=FISH, loads_to=State.READY))
    assert (await delete(gateway, "default")).status_code == 200
    assert gateway.engine.state is State.UNLOADED
    assert await models(gateway) == []
    assert error_of(await invoke(gateway, "default"), 404) == "Cannot find model."
    assert error_of(await gateway.client.post("/v1/invoke", json={}), 404) == "Cannot find model."
    assert (await put(gateway, "default")).status_code == 200
    assert (await invoke(gateway, "default")).status_code == 200


async def test_base_engine_stays_loaded_while_another_model_uses_it(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path)
    await put(gateway, "again", {})
    await delete(gateway, "default")
    assert gateway.engine.state is State.READY
    assert (await invoke(gateway, "again")).status_code == 200
    await delete(gateway, "again")
    assert gateway.engine.state is State.UNLOADED


@pytest.mark.parametrize(("load", "state"), [("lazy", State.UNLOADED), ("eager", State.READY)])
async def test_replacing_the_default_unloads_its_engine_unless_eager(tmp_path: Path, load: str, state: State) -> None:
    gateway = fish_gateway(tmp_path, load=load)
    await put(gateway, "default", OWN)
    assert gateway.engine.state is state
    assert (await gateway.client.get("/health/ready")).status_code == 200


async def test_replaced_model_is_unloaded_before_the_next_loads(tmp_path: Path) -> None:
    factory = FakeEngineFactory()
    gateway = fish_gateway(tmp_path, factory=factory)
    await put(gateway, "mine", OWN)
    await put(gateway, "mine", OTHER)
    await put(gateway, "mine", OTHER)
    first, second, third = factory.engines
    assert [engine.closed for engine in factory.engines] == [True, True, False]
    assert await engines(gateway) == ["fish", "fish:mine"]
    assert (await invoke(gateway, "mine")).status_code == 200
    assert [len(engine.jobs) for engine in (first, second, third)] == [0, 0, 1]


async def test_failed_load_frees_the_name(tmp_path: Path) -> None:
    factory = FakeEngineFactory(loads_to=State.FAILED, error="no weights (exit status 1)")
    gateway = fish_gateway(tmp_path, factory=factory)
    for _ in range(2):
        message = error_of(await put(gateway, "mine", OWN), 500)
        assert "no weights (exit status 1)" in message
        assert error_of(await invoke(gateway, "mine"), 404) == "Cannot find model."
    await until(lambda: all(engine.closed for engine in factory.engines))
    assert await engines(gateway) == ["fish"]
    assert await models(gateway) == ["default"]
    factory.engine = {"loads_to": State.READY}
    assert (await put(gateway, "mine", OWN)).status_code == 200
    assert gateway.metric("voxgate_errors_total", type="load_failed") == 2


async def test_default_model_stays_after_a_failed_load(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, unloaded(loads_to=State.FAILED, error="no weights"))
    assert "no weights" in error_of(await put(gateway, "default"), 500)
    assert await models(gateway) == ["default"]
    gateway.engine.state = State.READY  # the engine is retried automatically
    assert (await invoke(gateway, "default")).status_code == 200


async def test_put_retries_a_failed_engine(tmp_path: Path) -> None:
    class Recovering(FakeEngine):
        def load(self) -> None:
            asyncio.get_running_loop().call_soon(setattr, self, "state", State.READY)

    gateway = fish_gateway(tmp_path, Recovering("fish", capabilities=FISH, state=State.FAILED, error="no weights"))
    assert (await put(gateway, "default")).status_code == 200


async def test_engine_unloaded_during_put_is_loaded_again(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, unloaded())
    putting = asyncio.create_task(put(gateway, "default"))
    await until(lambda: gateway.engine.state is State.LOADING)
    gateway.engine.state = State.UNLOADED
    await until(lambda: gateway.engine.state is State.LOADING)
    gateway.engine.state = State.READY
    assert (await putting).status_code == 200


async def test_number_of_models_is_limited(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, fish_api={"max_models": 2})
    for name in ("a", "b", "default", "b"):
        assert (await put(gateway, name, OWN)).status_code == 200
    assert "max_models" in error_of(await put(gateway, "c", OWN), 409)
    assert "max_models" in error_of(await put(gateway, "c"), 409)
    await delete(gateway, "a")
    assert (await put(gateway, "c", OWN)).status_code == 200


async def test_unloading_models_count_toward_the_limit(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gateway = fish_gateway(tmp_path, factory=FakeEngineFactory(script=pausing(gate)), fish_api={"max_models": 1})
    await put(gateway, "a", OWN)
    running = asyncio.create_task(invoke(gateway, "a"))
    await asyncio.sleep(0.05)
    deleting = asyncio.create_task(delete(gateway, "a"))
    await asyncio.sleep(0.05)
    assert "max_models" in error_of(await put(gateway, "b", OWN), 409)
    gate.set()
    assert [(await task).status_code for task in (running, deleting)] == [200, 200]
    assert (await put(gateway, "b", OWN)).status_code == 200


async def test_running_and_queued_requests_finish_before_unload(tmp_path: Path) -> None:
    gate, factory = asyncio.Event(), FakeEngineFactory()
    factory.engine["script"] = pausing(gate)
    gateway = fish_gateway(tmp_path, factory=factory, max_active=1)
    await put(gateway, "mine", OWN)
    running = [asyncio.create_task(invoke(gateway, "mine")) for _ in range(3)]
    await asyncio.sleep(0.05)
    deleting = asyncio.create_task(delete(gateway, "mine"))
    await asyncio.sleep(0.05)
    assert error_of(await invoke(gateway, "mine"), 404), "new requests get 404"
    assert not deleting.done()
    assert not factory.engines[0].closed
    gate.set()
    assert [(await task).status_code for task in running] == [200] * 3
    assert (await deleting).status_code == 200
    assert factory.engines[0].closed


async def test_put_waits_for_requests_of_the_replaced_model(tmp_path: Path) -> None:
    gate, factory = asyncio.Event(), FakeEngineFactory()
    factory.engine["script"] = pausing(gate)
    gateway = fish_gateway(tmp_path, factory=factory)
    await put(gateway, "mine", OWN)
    running = asyncio.create_task(invoke(gateway, "mine"))
    await asyncio.sleep(0.05)
    putting = asyncio.create_task(put(gateway, "mine", OTHER))
    await asyncio.sleep(0.05)
    late = asyncio.create_task(invoke(gateway, "mine"))
    await asyncio.sleep(0.05)
    assert factory.engines[1].state is State.UNLOADED
    assert not putting.done()
    gate.set()
    assert [(await task).status_code for task in (running, putting, late)] == [200, 200, 200]
    assert [len(engine.jobs) for engine in factory.engines] == [1, 1]


async def test_replaced_engine_stays_listed_while_busy_when_its_successor_is_deleted(tmp_path: Path) -> None:
    gate = asyncio.Event()
    factory = FakeEngineFactory(script=pausing(gate))
    gateway = fish_gateway(tmp_path, factory=factory)
    await put(gateway, "mine", OWN)
    running = asyncio.create_task(invoke(gateway, "mine"))
    await until(lambda: factory.engines[0].jobs)
    putting = asyncio.create_task(put(gateway, "mine", OTHER))
    await until(lambda: len(factory.engines) == 2)
    deleting = asyncio.create_task(delete(gateway, "mine"))
    await asyncio.sleep(0.05)
    assert await engines(gateway) == ["fish", "fish:mine"]
    gate.set()
    assert [(await task).status_code for task in (running, putting, deleting)] == [200, 409, 200]
    assert await engines(gateway) == ["fish"]


async def test_request_timing_out_during_a_replacement_starts_no_engine(tmp_path: Path) -> None:
    gate = asyncio.Event()

    class Slow(FakeEngine):
        async def unload(self) -> None:
            await gate.wait()
            await super().unload()

    factory = FakeEngineFactory(kind=Slow)
    gateway = fish_gateway(tmp_path, factory=factory, limits={"deadline_s": 0.2})
    await put(gateway, "mine", OWN)
    putting = asyncio.create_task(put(gateway, "mine", OTHER))
    await asyncio.sleep(0.05)
    late = await invoke(gateway, "mine")
    assert error_of(late, 503) == "model 'mine' is loading"
    assert int(late.headers["retry-after"]) >= 1
    assert factory.engines[1].state is State.UNLOADED
    gate.set()
    assert (await putting).status_code == 200
    assert [engine.closed for engine in factory.engines] == [True, False]


async def test_equal_concurrent_puts_share_one_load(tmp_path: Path) -> None:
    factory = FakeEngineFactory(loads_to=State.LOADING)
    gateway = fish_gateway(tmp_path, factory=factory)
    putting = [asyncio.create_task(put(gateway, "mine", OWN)) for _ in range(3)]
    await until(lambda: factory.engines and factory.engines[0].state is State.LOADING)
    await asyncio.sleep(0.1)
    factory.engines[0].state = State.READY
    assert [(await task).status_code for task in putting] == [200] * 3
    assert len(factory.engines) == 1


async def test_last_of_two_different_concurrent_puts_wins(tmp_path: Path) -> None:
    factory = FakeEngineFactory(loads_to=State.LOADING)
    gateway = fish_gateway(tmp_path, factory=factory)
    first = asyncio.create_task(put(gateway, "mine", OWN))
    await until(lambda: factory.engines and factory.engines[0].state is State.LOADING)
    waiting = asyncio.create_task(invoke(gateway, "mine"))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(put(gateway, "mine", OTHER))
    third = asyncio.create_task(put(gateway, "mine", {"device": "cuda:4"}))
    assert "replaced" in error_of(await first, 409)
    assert error_of(await waiting, 404) == "Cannot find model."
    await until(lambda: len(factory.engines) == 3 and factory.engines[2].state is State.LOADING)
    factory.engines[2].state = State.READY
    assert sorted([(await task).status_code for task in (second, third)]) == [200, 409]
    assert [engine.closed for engine in factory.engines] == [True, True, False]
    assert factory.engines[1].state is State.UNLOADED, "it never started to load"
    assert await engines(gateway) == ["fish", "fish:mine"]


async def test_delete_cancels_a_running_put(tmp_path: Path) -> None:
    gateway, engine, putting = await loading(tmp_path)
    assert await models(gateway) == ["default"], "it is not ready yet"
    assert (await delete(gateway, "mine")).status_code == 200
    assert "deleted" in error_of(await putting, 409)
    assert engine.closed
    assert await engines(gateway) == ["fish"]


async def test_request_waits_for_a_loading_model(tmp_path: Path) -> None:
    gateway, engine, putting = await loading(tmp_path, limits={"deadline_s": 1.0})
    too_long = await invoke(gateway, "mine")
    assert error_of(too_long, 503)
    assert int(too_long.headers["retry-after"]) >= 1
    waiting = asyncio.create_task(invoke(gateway, "mine"))
    await asyncio.sleep(0.05)
    engine.state = State.READY
    assert [(await task).status_code for task in (putting, waiting)] == [200, 200]


async def test_failed_load_fails_waiting_requests_and_frees_the_engine(tmp_path: Path) -> None:
    gateway, engine, putting = await loading(tmp_path)
    engine.error = "no weights"
    waiting = asyncio.create_task(invoke(gateway, "mine"))
    await asyncio.sleep(0.05)
    engine.state = State.FAILED
    for task in (putting, waiting):
        assert "no weights" in error_of(await task, 500)
    await until(lambda: engine.closed)


@pytest.mark.parametrize("state", [State.READY, State.FAILED])
async def test_load_continues_after_disconnect(tmp_path: Path, state: State) -> None:
    gateway, engine, putting = await loading(tmp_path)
    putting.cancel()
    await asyncio.wait({putting})
    engine.state = state
    if state is State.READY:
        assert (await invoke(gateway, "mine")).status_code == 200
    else:
        await until(lambda: engine.closed)
        assert await engines(gateway) == ["fish"]


async def test_shutdown_cancels_loading_and_unloading(tmp_path: Path) -> None:
    factory = FakeEngineFactory(script=pausing(asyncio.Event()))
    gateway = fish_gateway(tmp_path, factory=factory)
    before = asyncio.all_tasks()
    async with gateway.app.router.lifespan_context(gateway.app):
        await put(gateway, "busy", OWN)
        tasks = [asyncio.create_task(invoke(gateway, "busy"))]
        await until(lambda: factory.engines[0].jobs)
        tasks.append(asyncio.create_task(delete(gateway, "busy")))  # waits for the request
        factory.engine = {"loads_to": State.LOADING}
        tasks.append(asyncio.create_task(put(gateway, "slow", OWN)))
        await until(lambda: len(factory.engines) == 2 and factory.engines[1].state is State.LOADING)
    assert all(engine.closed for engine in factory.engines)
    tasks[0].cancel()  # the script of its job never ends
    await asyncio.wait(tasks, timeout=5)
    assert asyncio.all_tasks() == before
    assert not [task for task in tasks if not task.cancelled() and task.result().is_success]


async def test_base_engine_unloads_after_requests_of_all_its_models(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gateway = fish_gateway(tmp_path, FakeEngine("fish", pausing(gate), capabilities=FISH), max_active=1)
    await put(gateway, "again")
    running = [asyncio.create_task(invoke(gateway, "again")) for _ in range(2)]
    await asyncio.sleep(0.05)
    deleting = [asyncio.create_task(delete(gateway, name)) for name in ("again", "default")]
    await asyncio.sleep(0.05)
    assert gateway.engine.state is State.READY
    assert [task.done() for task in deleting] == [False, True]
    gate.set()
    assert [(await task).status_code for task in (*running, *deleting)] == [200] * 4
    assert gateway.engine.state is State.UNLOADED


async def test_request_that_loads_the_engine_finishes_before_unload(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, unloaded())
    asking = asyncio.create_task(invoke(gateway, "default"))
    await until(lambda: gateway.engine.state is State.LOADING)
    deleting = asyncio.create_task(delete(gateway, "default"))
    await asyncio.sleep(0.05)
    gateway.engine.state = State.READY
    assert [(await task).status_code for task in (asking, deleting)] == [200, 200]
    assert gateway.engine.state is State.UNLOADED


async def test_put_during_unload_loads_afterwards(tmp_path: Path) -> None:
    gate = asyncio.Event()

    class Slow(FakeEngine):
        async def unload(self) -> None:
            self.state = State.STOPPING
            await gate.wait()
            await super().unload()

    gateway = fish_gateway(tmp_path, Slow("fish", capabilities=FISH, loads_to=State.READY))
    deleting = asyncio.create_task(delete(gateway, "default"))
    await asyncio.sleep(0.05)
    putting = asyncio.create_task(put(gateway, "another"))
    await asyncio.sleep(0.05)
    assert not putting.done()
    gate.set()
    assert [(await task).status_code for task in (deleting, putting)] == [200, 200]
    assert gateway.engine.state is State.READY
    assert (await invoke(gateway, "another")).status_code == 200


async def test_random_concurrent_operations_leak_nothing(tmp_path: Path) -> None:
    loaded: dict[str, FakeEngine] = {}

    class Watched(FakeEngine):
        def load(self) -> None:
            assert not self.closed
            assert loaded.setdefault(self.name, self) is self, "the previous engine is still loaded"
            super().load()

        async def unload(self) -> None:
            await asyncio.sleep(0.02)
            loaded.pop(self.name, None)
            await super().unload()

    factory = FakeEngineFactory(kind=Watched, error="no weights")
    gateway = fish_gateway(tmp_path, unloaded(loads_to=State.READY), factory)
    random = Random(7)

    async def client() -> set[int]:
        statuses = set()
        for _ in range(40):
            name = random.choice(["default", "a", "b"])
            factory.engine["loads_to"] = random.choice([State.READY, State.READY, State.FAILED])
            if random.random() < 0.4:
                act = put(gateway, name, random.choice([None, OWN, OTHER]))
            else:
                act = random.choice([invoke, invoke, delete])(gateway, name)
            task = asyncio.create_task(act)
            await asyncio.wait({task}, timeout=random.choice([0.01, 5]))
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            elif not task.cancelled():
                statuses.add(task.result().status_code)
        return statuses

    statuses = set().union(*await asyncio.gather(*(client() for _ in range(6))))
    assert statuses >= {200, 400, 404, 409}
    assert statuses <= {200, 400, 404, 409, 500}
    for name in ("default", "a", "b"):
        await delete(gateway, name)
    await until(lambda: all(engine.closed for engine in factory.engines))
    assert await engines(gateway) == ["fish"]
    assert gateway.engine.state is State.UNLOADED
    assert not loaded
    assert len(factory.engines) > 20
    assert (await put(gateway, "default")).status_code == 200
    assert (await invoke(gateway, "default")).status_code == 200
