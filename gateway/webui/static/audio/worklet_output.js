/** Output through an AudioWorklet, which browsers offer to pages over HTTPS and on localhost only. */

/**
 * @typedef {object} Output
 * @property {(samples: Float32Array<ArrayBuffer>) => void} push
 * @property {() => void} complete say that no more samples follow
 */

/**
 * @param {AudioContext} context
 * @param {(played: number, ended: boolean) => void} onProgress `played` in samples
 * @returns {Promise<Output>}
 */
export async function workletOutput(context, onProgress) {
  await context.audioWorklet.addModule(new URL('./playback_worklet.js', import.meta.url));
  const node = new AudioWorkletNode(context, 'voxgate-playback', { numberOfInputs: 0, outputChannelCount: [1] });
  node.port.onmessage = ({ data }) => onProgress(data.played, data.ended);
  node.connect(context.destination);
  return {
    push: (samples) => node.port.postMessage(samples),
    complete: () => node.port.postMessage('complete'),
  };
}
