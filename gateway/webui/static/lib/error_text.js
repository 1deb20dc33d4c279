/** An error as text. */
import { ApiError } from './api.js';

/**
 * The API's words, with the parameter that no field is shown for; for a failed connection, ours.
 * @param {Error} error
 * @param {import('./i18n.js').Translate} t
 */
export function errorText(error, t) {
  if (error instanceof ApiError) {
    return `${error.param ? `${error.param}: ` : ''}${error.message}${error.requestId && ` (${error.requestId})`}`;
  }
  return error instanceof TypeError ? t('error.connection') : error.message;
}
