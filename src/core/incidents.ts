// What a person must look at: something that cannot be, by all that the router knows. Nothing is changed because of it.

export const INCIDENT_KINDS = [
  'late_fill',
  'overfill',
  'misfit_fill',
  'unbookable_fill',
  'total_filled_differs',
  'height_backwards',
] as const;

/**
 * late_fill: an order that was proven dead has a fill. overfill: a fill beyond the order's size. misfit_fill: it names an
 * order of ours and cannot be that order's. unbookable_fill: its figures are none. total_filled_differs: the venue counts
 * another quantity for a final order. height_backwards: the indexer shows an earlier block than before.
 */
export type IncidentKind = (typeof INCIDENT_KINDS)[number];

export type Incident = {
  readonly kind: IncidentKind;
  /** what it is about: while it is open, it is told once */
  readonly subject: string;
  readonly orderId?: string | undefined;
  /** the evidence */
  readonly details: object;
};
