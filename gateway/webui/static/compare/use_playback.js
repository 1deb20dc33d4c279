/** Listening to takes, one at a time, from a position that they share. */
import { useEffect, useRef, useState } from '../lib/dom.js';
import { positionAt, shareAt } from './alignment.js';
import { TakePlayer } from './take_player.js';

const REFRESH_MS = 50;

/**
 * @typedef {object} Playback
 * @property {number | null} playing number of the take
 * @property {number} share of the speech that has been played
 * @property {(index: number) => void} listen go on with a take at the same position; pause if it is being played
 * @property {(share: number) => void} seek
 * @property {() => void} pause
 * @property {() => void} stop so that the next playback begins at the start
 */

/**
 * @param {import('./take.js').Take[]} takes
 * @param {number[]} gains
 * @returns {Playback}
 */
export function usePlayback(takes, gains) {
  const [playing, setPlaying] = useState(/** @type {number | null} */ (null));
  const [share, setShare] = useState(0);
  const current = useRef({ takes, playing, share });
  current.current = { ...current.current, takes };
  const [player] = useState(() => new TakePlayer(() => change(null, 0)));

  const change = (/** @type {number | null} */ index, /** @type {number} */ position) => {
    current.current = { ...current.current, playing: index, share: position };
    setPlaying(index);
    setShare(position);
  };
  const shareNow = () => {
    const { takes: all, playing: index, share: last } = current.current;
    const positionS = player.positionS;
    return index === null || positionS === null ? last : shareAt(positionS, all[index].speech);
  };
  const play = (/** @type {number} */ index, /** @type {() => number} */ from) => {
    const take = takes[index];
    const fromS = () => {
      const position = from();
      change(index, position);
      return positionAt(position, take.speech, take.durationS);
    };
    player.play(take, gains[index], fromS);
  };
  const pause = () => {
    const position = shareNow();
    player.stop();
    change(null, position);
  };
  const stop = () => {
    player.stop();
    change(null, 0);
  };
  const listen = (/** @type {number} */ index) => (index === playing ? pause() : play(index, shareNow));
  const seek = (/** @type {number} */ position) => (playing === null ? change(null, position) : play(playing, () => position));

  useEffect(() => {
    if (playing !== null) play(playing, shareNow);
  }, [gains.join()]);
  useEffect(() => () => player.close(), [player]);
  useEffect(() => {
    if (playing === null) return undefined;
    const timer = setInterval(() => setShare(shareNow()), REFRESH_MS);
    return () => clearInterval(timer);
  }, [playing]);
  return { playing, share, listen, seek, pause, stop };
}
