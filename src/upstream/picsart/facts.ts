import { avatarTypes, type PollPlan, type ProviderFacts, type ProviderStyle } from '../provider';

/** The style that is available to every customer (Picsart's guide); others need an agreement. */
export const picsartStyles: readonly ProviderStyle[] = [
  { id: 'realistic', name: 'Realistic', description: 'A portrait that looks like a photograph.' },
];

const secondMs = 1_000;
const minuteMs = 60 * secondMs;

/**
 * The limits and durations of Picsart AI Avatar. Sources in brackets: *guide* is Picsart's guide to AI Avatars,
 * *docs* its public reference pages, *ours* a choice made here because nothing is documented.
 *
 * - types: man, woman, couple, dog, cat [guide]
 * - 5 to 30 photos [guide]
 * - 100 avatars per generation [ours: bounds the cost of a mistake]
 * - a model is first polled after 5 minutes, then every 2 [docs]
 * - a generation is first polled after 20 seconds, then every 10 [docs]
 * - a training takes up to 20 minutes [guide], and not less than the 5 minutes after which the first poll is advised
 * - a generation takes from the 20 seconds after which the first poll is advised to 100 seconds [ours]
 * - results can be fetched for 48 hours [guide]
 * - photo URLs must be readable for 30 minutes [guide]
 * - only 404 for 30 minutes means that a job is lost [ours; Picsart's n8n plugin treats a 404 as "not yet"]
 * - a model is kept for 30 days [ours]
 * - 500 requests per minute [docs, quotas page: subscriptions]
 * - generations from one photo are supported [docs]
 *
 * @param speed - divides every duration and multiplies the rate limit; 1 for the real service, more for a sandbox
 */
export function picsartFacts(
  speed: number,
  styles: readonly ProviderStyle[],
  displayName = 'Picsart',
): ProviderFacts {
  return {
    displayName,
    types: avatarTypes,
    styles,
    // The one style that all customers and the sandbox have.
    defaultStyle: 'realistic',
    minPhotos: 5,
    maxPhotos: 30,
    maxAvatars: 100,
    trainingPoll: plan(5 * minuteMs, 2 * minuteMs, speed),
    generationPoll: plan(20 * secondMs, 10 * secondMs, speed),
    trainingDuration: { minMs: (5 * minuteMs) / speed, maxMs: (20 * minuteMs) / speed },
    generationDuration: { minMs: (20 * secondMs) / speed, maxMs: (100 * secondMs) / speed },
    resultTtlMs: (48 * 60 * minuteMs) / speed,
    // At least a minute, so that a slow machine can fetch 30 photos.
    photoFetchMs: Math.max(minuteMs, (30 * minuteMs) / speed),
    lostAfterMs: Math.max(secondMs, (30 * minuteMs) / speed),
    modelRetentionMs: (30 * 24 * 60 * minuteMs) / speed,
    requestsPerMinute: Math.round(500 * speed),
    instant: true,
  };
}

/** Limits polls of an accelerated sandbox to one every 20 ms. */
function plan(firstMs: number, nextMs: number, speed: number): PollPlan {
  return { firstMs: Math.max(20, firstMs / speed), nextMs: Math.max(20, nextMs / speed) };
}
