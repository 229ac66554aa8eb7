// Gives a batch its sequence numbers; called while the rooms' locks are held.

/**
 * `entries` are {room, sender, cid, text}, `locked` are {name, seq} of their rooms, `known` holds the rows
 * {room, sender, cid, seq} that are stored already. Answers one {seq, duplicate} an entry, the rows to insert,
 * and the rooms' new `last`. Numbers are dense: a repeated cid gets the number of its first time.
 */
export function number(entries, locked, known, time) {
  const seqs = new Map(known.map((row) => [key(row), row.seq]))
  const next = new Map(locked.map(({ name, seq }) => [name, seq]))
  const rows = []
  const results = entries.map((entry) => {
    const stored = seqs.get(key(entry))
    if (stored !== undefined) return { seq: stored, duplicate: true }
    const seq = next.get(entry.room) + 1
    next.set(entry.room, seq)
    seqs.set(key(entry), seq)
    rows.push({ ...entry, seq, time })
    return { seq, duplicate: false }
  })
  return { results, rows, last: next }
}

function key({ room, sender, cid }) {
  return JSON.stringify([room, sender, cid])
}
