// OpenAI's package and the Vercel AI SDK with their defaults, except for the address.
import { createOpenAI } from "@ai-sdk/openai";
import { generateSpeech } from "ai";
import OpenAI from "openai";

const baseURL = `${process.argv[2]}/v1`;
const bytes = (data) => ({ size: data.length, start: Buffer.from(data.slice(0, 3)).toString("hex") });

const client = new OpenAI({ apiKey: "none", baseURL });
const speech = { model: "gpt-4o-mini-tts", voice: "alloy" };
const spoken = await client.audio.speech.create({ ...speech, input: "Hello from Voxgate." });
const nothing = await client.audio.speech.create({ ...speech, input: "…" });
const models = await client.models.list();
const refused = await client.audio.speech.create({ ...speech, model: "gpt-9", input: "x" }).catch((error) => error);

const provider = createOpenAI({ apiKey: "none", baseURL });
const generated = await generateSpeech({ model: provider.speech("tts-1"), text: "Hello from Voxgate." });

console.log(JSON.stringify({
  openai: bytes(new Uint8Array(await spoken.arrayBuffer())),
  note: nothing.headers.get("x-voxgate-note"),
  models: models.data.map((model) => model.id),
  refused: [refused.constructor.name, refused.status, refused.code],
  ai: { ...bytes(generated.audio.uint8Array), type: generated.audio.mediaType, warnings: generated.warnings.length },
}));
