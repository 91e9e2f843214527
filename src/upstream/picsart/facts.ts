import { avatarTypes, type PollPlan, type ProviderFacts, type ProviderStyle } from '../provider';

/** The one style that everybody may ask for (Picsart's guide); others are by arrangement. */
export const picsartStyles: readonly ProviderStyle[] = [
  { id: 'realistic', name: 'Realistic', description: 'A portrait that looks like a photograph.' },
];

const secondMs = 1_000;
const minuteMs = 60 * secondMs;

/**
 * What is known of Picsart AI Avatar. In brackets who says so: *guide* is Picsart's own guide to AI Avatars, *docs*
 * its public reference pages, *ours* a choice made here because nothing was found.
 *
 * - types: man, woman, couple, dog, cat [guide]
 * - 5 to 30 photos [guide]
 * - 100 avatars a generation [ours: no limit is documented; it bounds what one mistake can cost]
 * - a model is first checked after 5 minutes, then every 2 [docs]
 * - a generation is first checked after 20 seconds, then every 10 [docs]
 * - a training takes up to 20 minutes [guide]; that is taken as usual, so that an estimate is rather beaten than broken
 * - a generation takes a minute [ours: no figure is documented]
 * - results can be fetched for 48 hours [guide]
 * - photo URLs must be readable for 30 minutes [guide]
 * - 404 alone for 30 minutes means that a job is lost [ours; that a 404 may mean "not yet" is seen in Picsart's own n8n
 *   plugin]
 * - a model is kept for 30 days [ours: no figure is documented]
 * - 500 requests a minute [docs, quotas page: subscriptions]
 * - a generation from one photo is offered [docs]
 *
 * @param speed - divides every time and multiplies the rate limit; 1 for the real service, more for a sandbox
 */
export function picsartFacts(speed: number, styles: readonly ProviderStyle[]): ProviderFacts {
  return {
    types: avatarTypes,
    styles,
    minPhotos: 5,
    maxPhotos: 30,
    maxAvatars: 100,
    trainingPoll: plan(5 * minuteMs, 2 * minuteMs, speed),
    generationPoll: plan(20 * secondMs, 10 * secondMs, speed),
    typicalTrainingMs: (20 * minuteMs) / speed,
    typicalGenerationMs: minuteMs / speed,
    resultTtlMs: (48 * 60 * minuteMs) / speed,
    // Never so short that a slow machine could not fetch 30 photos.
    photoFetchMs: Math.max(minuteMs, (30 * minuteMs) / speed),
    lostAfterMs: Math.max(secondMs, (30 * minuteMs) / speed),
    modelRetentionMs: (30 * 24 * 60 * minuteMs) / speed,
    requestsPerMinute: Math.round(500 * speed),
    instant: true,
  };
}

/** A sandbox in a hurry is still not asked more often than every 20 ms. */
function plan(firstMs: number, nextMs: number, speed: number): PollPlan {
  return { firstMs: Math.max(20, firstMs / speed), nextMs: Math.max(20, nextMs / speed) };
}
