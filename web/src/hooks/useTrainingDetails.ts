import { useEffect, useState } from 'react';
import { ownerKeys } from '../api/forgetOwner';
import { useSession } from '../api/session';
import { readStored, store } from '../api/storage';
import { type AvatarType } from '../graphql/operations';

/** What a training needs besides photos. */
export interface TrainingDetails {
  readonly type: AvatarType | null;
  readonly name: string;
  /** Whether the person in the photos agrees; asked again after a reload. */
  readonly hasConsent: boolean;
}

const empty: TrainingDetails = { type: null, name: '', hasConsent: false };

/** The details, which survive a reload, and a function that changes some of them; null resets them. */
export function useTrainingDetails(): [TrainingDetails, (change: Partial<TrainingDetails> | null) => void] {
  const { owner } = useSession();
  const key = ownerKeys.details(owner);
  const [details, setDetails] = useState<TrainingDetails>(() => ({
    ...empty,
    ...(readStored(key) as Partial<TrainingDetails> | null),
    hasConsent: false,
  }));
  useEffect(() => {
    const isEmpty = details.type === null && details.name === '';
    store(key, isEmpty ? null : { type: details.type, name: details.name });
  }, [key, details]);
  return [details, (change) => setDetails((before) => (change === null ? empty : { ...before, ...change }))];
}
