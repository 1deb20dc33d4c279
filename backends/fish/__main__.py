"""Command line of the pipeline's three stages: ``python -m backends.fish``.

File names, shapes and types are those of the classic tools (Fish-Speech v0.2.0 ``tools/vqgan/inference.py`` and
``tools/llama/generate.py``). ``voxgate fish`` runs this module under the interpreter of the configured engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from backends.errors import BackendError, InvalidJob
from backends.fish.options import read_options
from backends.fish.v0_2.config import REPOSITORY, ModelConfig
from backends.fish.v0_2.generation import FishV02
from backends.fish.v0_2.options import FishV02Options
from backends.hub import Hub, HubSettings

if TYPE_CHECKING:
    from backends.fish.stages import Stages

app = typer.Typer(
    name="voxgate fish",
    help="The stages of Fish-Speech 0.2: recording to codes, text to codes, codes to audio.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

HUB_VARIABLE = "FISH_HUB_SETTINGS"  # the configuration's hub block, set by ``voxgate fish``

_MODEL = ModelConfig()
_OPTIONS = FishV02Options()

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 …")]
CodecOption = Annotated[str, typer.Option(help="VQGAN checkpoint: a file or an hf:// reference.")]


@app.callback()
def _options(
    context: typer.Context,
    hub: Annotated[str, typer.Option(envvar=HUB_VARIABLE, hidden=True, help="The hub block, as JSON.")] = "{}",
) -> None:
    context.obj = json.loads(hub)


@contextmanager
def _exit_on_error() -> Iterator[None]:
    """Turn expected errors into a message and exit status 1."""
    try:
        yield
    except InvalidJob as error:
        raise _fail(f"{error.param}: {error.message}" if error.param else error.message) from None
    except (BackendError, ValueError, OSError) as error:
        raise _fail(str(error)) from None
    except ImportError as error:
        raise _fail(f"{error}: make install-fish") from None


def _stages(context: typer.Context, device: str, **model: Any) -> Stages:
    from backends.fish.stages import WHERE, Stages  # imports torch, which --help does not need

    hub = Hub(HubSettings.from_environment(context.obj))
    return Stages(FishV02(model, WHERE), hub, device, err)


def _fail(message: str) -> typer.Exit:
    err.print(Text.assemble(("error:", "bold red"), " ", message), soft_wrap=True)
    return typer.Exit(1)


@app.command()
def encode(
    context: typer.Context,
    audio: Annotated[Path, typer.Argument(help="A recording of the voice, 5 to 10 s.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the codes (.npy).")] = Path("fake.npy"),
    reconstruct: Annotated[
        Path | None, typer.Option(help="Decode the codes into this WAV file, to check their quality.")
    ] = None,
    codec_checkpoint: CodecOption = _MODEL.codec_checkpoint,
    device: DeviceOption = "auto",
) -> None:
    """Stage 1: encode a recording to codes, int64 of shape (4, T), 21.5 frames per second."""
    with _exit_on_error():
        _stages(context, device, codec_checkpoint=codec_checkpoint).encode(audio, output, reconstruct)


@app.command()
def generate(
    context: typer.Context,
    text: Annotated[str, typer.Option(help="The text to speak.")],
    prompt_text: Annotated[str | None, typer.Option(help="Transcript of the prompt's recording.")] = None,
    prompt_tokens: Annotated[Path | None, typer.Option(help="Codes of the prompt (.npy, from encode).")] = None,
    num_samples: Annotated[int, typer.Option(min=1, max=64, help="Number of results, generated together.")] = 1,
    output_folder: Annotated[Path, typer.Option(help="Folder for codes_0.npy …")] = Path(),
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of the first result; the others derive theirs from it.")
    ] = 42,
    speaker: Annotated[str | None, typer.Option(help="A speaker the checkpoint was fine-tuned on.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0, help="Limit of frames; 0: until the model stops.")] = 0,
    top_k: Annotated[int | None, typer.Option(min=0, help="Number of most likely codes to keep.")] = None,
    top_p: Annotated[float, typer.Option(min=0, max=1)] = _OPTIONS.top_p,
    repetition_penalty: Annotated[float, typer.Option(min=0.1, max=2)] = _OPTIONS.repetition_penalty,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = _OPTIONS.temperature,
    use_g2p: Annotated[
        bool, typer.Option("--use-g2p/--no-g2p", help="Convert the text to phones first.")
    ] = _OPTIONS.use_g2p,
    order: Annotated[str, typer.Option(help="Languages by preference.")] = _OPTIONS.order,
    lm_checkpoint: Annotated[
        str, typer.Option(help="Language-model checkpoint: a file or an hf:// reference.")
    ] = _MODEL.lm_checkpoint,
    lm_config: Annotated[
        Path | None, typer.Option(help="Sizes of the language model (JSON or YAML), if it is not the 400M model.")
    ] = None,
    tokenizer: Annotated[str, typer.Option(help="A folder or an hf:// reference.")] = REPOSITORY,
    half: Annotated[bool, typer.Option("--half", help="float16, for GPUs without bfloat16.")] = False,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    quantize: Annotated[str | None, typer.Option(help="int8: quantize the weights to 8 bits.")] = None,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="CUDA graphs of the decoding step (GPU).")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Stage 2: generate codes from text and a prompt's codes: codes_0.npy …, shape (4, T)."""
    values = {
        "top_p": top_p,
        "top_k": top_k,
        "temperature": temperature,
        "repetition_penalty": repetition_penalty,
        "max_new_tokens": max_new_tokens,
        "speaker": speaker,
        "use_g2p": use_g2p,
        "order": order,
        "prompt_text": prompt_text,
    }
    sizes = {"lm_config": str(lm_config) if lm_config else None, "slots": num_samples, "compile": compile}
    files = {"lm_checkpoint": lm_checkpoint, "tokenizer": tokenizer, "quantize": quantize}
    with _exit_on_error():
        from backends.fish.stages import GenerateRequest

        options = read_options(FishV02Options, {}, values)
        request = GenerateRequest(text, options, prompt_tokens, seed, num_samples)
        _stages(context, device, **sizes, **files).generate(request, "float16" if half else dtype, output_folder)


@app.command()
def decode(
    context: typer.Context,
    codes: Annotated[Path, typer.Argument(help="Codes (.npy, from generate or encode).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the audio (.wav).")] = Path("fake.wav"),
    codec_checkpoint: CodecOption = _MODEL.codec_checkpoint,
    device: DeviceOption = "auto",
) -> None:
    """Stage 3: decode codes to audio, 22.05 kHz mono."""
    with _exit_on_error():
        _stages(context, device, codec_checkpoint=codec_checkpoint).decode(codes, output)


if __name__ == "__main__":
    app(prog_name="voxgate fish")
