/** Output through scheduled buffers, for pages over plain HTTP from another machine, which have no AudioWorklet. */

const AHEAD_S = 0.05;
const REPORT_MS = 50;

/**
 * @param {AudioContext} context
 * @param {(played: number, ended: boolean) => void} onProgress `played` in samples
 * @returns {import('./worklet_output.js').Output}
 */
export function scheduledOutput(context, onProgress) {
  let endsAt = 0; // of the scheduled samples, on the context's clock
  let scheduled = 0;
  let isComplete = false;
  const timer = setInterval(() => {
    const left = Math.max(0, endsAt - context.currentTime) * context.sampleRate;
    const ended = isComplete && left === 0;
    onProgress(Math.max(0, Math.round(scheduled - left)), ended);
    if (ended || context.state === 'closed') clearInterval(timer);
  }, REPORT_MS);
  return {
    push(samples) {
      if (!samples.length) return;
      const buffer = context.createBuffer(1, samples.length, context.sampleRate);
      buffer.copyToChannel(samples, 0);
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(context.destination);
      const startsAt = Math.max(endsAt, context.currentTime + AHEAD_S);
      source.start(startsAt);
      endsAt = startsAt + buffer.duration;
      scheduled += samples.length;
    },
    complete: () => (isComplete = true),
  };
}
