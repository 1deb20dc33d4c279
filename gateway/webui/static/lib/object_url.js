/** Addresses of data that is in the page: for audio elements and downloads. */
import { useEffect, useState } from './dom.js';

/**
 * The address of a blob while the component shows it; empty at first, and without a blob.
 * @param {Blob | null} blob
 * @returns {string}
 */
export function useObjectUrl(blob) {
  const [url, setUrl] = useState('');
  useEffect(() => {
    if (!blob) {
      setUrl('');
      return undefined;
    }
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
}
