import { newId } from '../core/ids';
import type { UpstreamResult } from '../upstream/provider';
import type { NewAvatar } from './avatar-source.repository';
import type { GenerationEntity, PromptRow } from './generation.entity';

/** The columns that determine what the latest attempt of a generation orders. */
export type OrderColumns = Pick<GenerationEntity, 'prompts' | 'wanted' | 'orderedPositions'>;

/** The positions of the pictures that the latest attempt orders, in the order of its results. */
export function orderOf({ orderedPositions, wanted }: OrderColumns): readonly number[] {
  return orderedPositions ?? Array.from({ length: wanted }, (_, position) => position);
}

/** For each requested picture, by position, the index of its prompt. */
export function promptIndexes(prompts: readonly PromptRow[]): number[] {
  return prompts.flatMap(({ count }, index) => Array.from({ length: count }, () => index));
}

/** The prompts that the latest attempt orders, with the number of pictures that it orders of each. */
export function orderedPrompts(row: OrderColumns): PromptRow[] {
  const indexes = promptIndexes(row.prompts);
  const ordered = orderOf(row).map((position) => indexes[position]);
  return row.prompts
    .map((prompt, index) => ({ ...prompt, count: ordered.filter((other) => other === index).length }))
    .filter(({ count }) => count > 0);
}

/**
 * Assigns results to the ordered pictures: the upstream returns them in the order of the request. Surplus results are
 * kept at positions from `freePosition` on.
 * @returns a picture for each result, then one without an answer for each ordered picture that has no result
 */
export function avatarsFrom(
  row: OrderColumns,
  results: readonly UpstreamResult[],
  freePosition: number,
): NewAvatar[] {
  const order = orderOf(row);
  const indexes = promptIndexes(row.prompts);
  const ids = results.map(({ id }) => id);
  const avatarAt = (position: number): Pick<NewAvatar, 'id' | 'position' | 'style' | 'prompt'> => {
    const { style = 'unknown', prompt = null } =
      row.prompts[indexes[position] ?? row.prompts.length - 1] ?? {};
    return { id: newId(), position, style, prompt };
  };
  const delivered = results.map(({ id, url }, index) => {
    // An id that several entries share identifies none of them.
    const ref = ids.indexOf(id) === ids.lastIndexOf(id) ? id : undefined;
    return { ...avatarAt(order[index] ?? freePosition + index - order.length), index, ref, url };
  });
  const notDelivered = order
    .slice(results.length)
    .map((position) => ({ ...avatarAt(position), index: null, ref: undefined, url: null }));
  return [...delivered, ...notDelivered];
}
