"""``python -m backends.fish``: the three stages of the pipeline as commands, on files.

Names, shapes and types of the files are those of the classic tools (Fish-Speech v0.2.0 ``tools/vqgan/inference.py`` and
``tools/llama/generate.py``). ``voxgate fish`` runs this under the interpreter that the engine is configured with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from backends.errors import BackendError, InvalidJob
from backends.fish.options import FishOptions, read_options
from backends.fish.v0_2.config import REPOSITORY, FishModel
from backends.hub import Hub, HubSettings
from backends.options import parse_config

if TYPE_CHECKING:
    from backends.fish.stages import Stages

app = typer.Typer(
    name="voxgate fish",
    help="The stages of Fish-Speech 0.2: a prompt to codes, text to codes, codes to audio.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

HUB_VARIABLE = "FISH_HUB_SETTINGS"  # the configuration's hub block, from ``voxgate fish``

_MODEL = FishModel()
_OPTIONS = FishOptions()

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 …")]
CodecOption = Annotated[str, typer.Option(help="The VQGAN: a file, or an hf:// reference.")]


@app.callback()
def _options(
    context: typer.Context,
    hub: Annotated[str, typer.Option(envvar=HUB_VARIABLE, hidden=True, help="The hub block, as JSON.")] = "{}",
) -> None:
    context.obj = json.loads(hub)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can go wrong into a message and an exit status."""
    try:
        yield
    except InvalidJob as error:
        raise _fail(f"{error.param}: {error.message}" if error.param else error.message) from None
    except (BackendError, ValueError, OSError) as error:
        raise _fail(str(error)) from None
    except ImportError as error:
        raise _fail(f"{error}: make install-fish") from None


def _stages(context: typer.Context, device: str) -> Stages:
    from backends.fish.stages import Stages  # torch: not for --help

    return Stages(Hub(HubSettings.from_environment(context.obj)), device, err)


def _fail(message: str) -> typer.Exit:
    err.print(Text.assemble(("error:", "bold red"), " ", message), soft_wrap=True)
    return typer.Exit(1)


@app.command()
def encode(
    context: typer.Context,
    audio: Annotated[Path, typer.Argument(help="A clip of the voice, 5 to 10 s.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the codes go (.npy).")] = Path("fake.npy"),
    reconstruct: Annotated[
        Path | None, typer.Option(help="Decode the codes again into this WAV, to hear what they keep.")
    ] = None,
    codec_checkpoint: CodecOption = _MODEL.codec_checkpoint,
    device: DeviceOption = "auto",
) -> None:
    """Stage 1: a prompt's audio to codes, int64 of shape (4, T), 21.5 frames a second."""
    with _explained():
        _stages(context, device).encode(audio, output, reconstruct, codec_checkpoint)


@app.command()
def generate(
    context: typer.Context,
    text: Annotated[str, typer.Option(help="What to say.")],
    prompt_text: Annotated[str | None, typer.Option(help="What is said in the prompt.")] = None,
    prompt_tokens: Annotated[Path | None, typer.Option(help="The prompt's codes (.npy, from encode).")] = None,
    num_samples: Annotated[int, typer.Option(min=1, max=64, help="How many readings, made together.")] = 1,
    output_folder: Annotated[Path, typer.Option(help="Where codes_0.npy … go.")] = Path(),
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="The first reading's; the others' follow from it.")
    ] = 42,
    speaker: Annotated[str | None, typer.Option(help="A speaker the checkpoint was fine-tuned on.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0, help="Frames at most; 0: until the model ends.")] = 0,
    top_k: Annotated[int | None, typer.Option(min=0, help="Keep so many of the likeliest codes.")] = None,
    top_p: Annotated[float, typer.Option(min=0, max=1)] = _OPTIONS.top_p,
    repetition_penalty: Annotated[float, typer.Option(min=0.1, max=2)] = _OPTIONS.repetition_penalty,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = _OPTIONS.temperature,
    use_g2p: Annotated[
        bool, typer.Option("--use-g2p/--no-g2p", help="Spell the text in phones first.")
    ] = _OPTIONS.use_g2p,
    order: Annotated[str, typer.Option(help="Languages, those preferred first.")] = _OPTIONS.order,
    lm_checkpoint: Annotated[
        str, typer.Option(help="The language model: a file, or an hf:// reference.")
    ] = _MODEL.lm_checkpoint,
    lm_config: Annotated[Path | None, typer.Option(help="Its sizes (JSON or YAML), if not the 400M model's.")] = None,
    tokenizer: Annotated[str, typer.Option(help="A folder, or an hf:// reference.")] = REPOSITORY,
    half: Annotated[bool, typer.Option("--half", help="float16, for GPUs without bfloat16.")] = False,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    quantize: Annotated[str | None, typer.Option(help="int8: round the weights to 8 bits.")] = None,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="CUDA graphs of the decoding step (GPU).")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Stage 2: text, and a prompt's codes, to the codes of speech: codes_0.npy …, shape (4, T)."""
    given = {
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
    with _explained():
        from backends.fish.stages import Reading

        options = read_options({}, given)
        model = parse_config(FishModel, {**sizes, **files}, "voxgate fish generate")
        reading = Reading(text, options, prompt_tokens, seed, num_samples)
        _stages(context, device).generate(reading, model, "float16" if half else dtype, output_folder)


@app.command()
def decode(
    context: typer.Context,
    codes: Annotated[Path, typer.Argument(help="Codes (.npy, from generate or encode).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the audio goes (.wav).")] = Path("fake.wav"),
    codec_checkpoint: CodecOption = _MODEL.codec_checkpoint,
    device: DeviceOption = "auto",
) -> None:
    """Stage 3: codes to audio, 22.05 kHz mono."""
    with _explained():
        _stages(context, device).decode(codes, output, codec_checkpoint)


if __name__ == "__main__":
    app(prog_name="voxgate fish")
