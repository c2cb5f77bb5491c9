/** Few large request bodies are read at once, so that memory is bounded whatever is sent. */
import type { RequestHandler } from 'express';

/** Up to this many bytes a body counts as small: a usual request of 100 events is below 100 kB. */
const SMALL_BYTES = 1024 * 1024;
const AT_ONCE = 2;

/**
 * Lets a large request on when one of two places is free; until then its body stays in the sender's
 * socket. One without a length may be of any size.
 */
export function createLargeBodyGate(): RequestHandler {
  let taken = 0;
  const waiting: (() => void)[] = [];
  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else taken -= 1;
  };
  return (request, response, next) => {
    const length = Number(request.get('content-length') ?? Number.POSITIVE_INFINITY);
    if (length <= SMALL_BYTES) {
      next();
      return;
    }
    let entered = false;
    const enter = () => {
      entered = true;
      next();
    };
    response.once('close', () => {
      if (entered) {
        leave();
        return;
      }
      const place = waiting.indexOf(enter);
      if (place >= 0) waiting.splice(place, 1);
    });
    if (taken < AT_ONCE) {
      taken += 1;
      enter();
    } else {
      waiting.push(enter);
    }
  };
}
