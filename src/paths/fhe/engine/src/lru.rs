//! What is kept in memory up to a number of bytes: the least recently used goes first.

use std::collections::HashMap;
use std::hash::Hash;

struct Entry<V> {
    value: V,
    bytes: u64,
    used: u64,
}

/// Values by key. The newest is kept even where it alone exceeds the limit: it is in use.
pub struct ByteLru<K, V> {
    entries: HashMap<K, Entry<V>>,
    limit: u64,
    held: u64,
    clock: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> ByteLru<K, V> {
    /// An empty one.
    pub fn new(limit: u64) -> Self {
        Self { entries: HashMap::new(), limit, held: 0, clock: 0 }
    }

    /// The value of a key, which is now the most recently used.
    pub fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    /// Keeps a value.
    pub fn insert(&mut self, key: K, value: V, bytes: u64) {
        self.clock += 1;
        let entry = Entry { value, bytes, used: self.clock };
        if let Some(old) = self.entries.insert(key, entry) {
            self.held -= old.bytes;
        }
        self.held += bytes;
        while self.held > self.limit && self.entries.len() > 1 {
            self.evict();
        }
    }

    /// Bytes that are held.
    pub fn held(&self) -> u64 {
        self.held
    }

    fn evict(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
        if let Some(entry) = oldest.and_then(|key| self.entries.remove(&key)) {
            self.held -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ByteLru;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = ByteLru::new(10);
        lru.insert("a", 1, 4);
        lru.insert("b", 2, 4);
        assert_eq!(lru.get(&"a"), Some(1));
        lru.insert("c", 3, 4);
        assert_eq!((lru.get(&"a"), lru.get(&"b"), lru.get(&"c")), (Some(1), None, Some(3)));
        assert_eq!(lru.held(), 8);
    }

    #[test]
    fn one_that_exceeds_the_limit_stays_alone() {
        let mut lru = ByteLru::new(10);
        lru.insert("a", 1, 4);
        lru.insert("big", 2, 100);
        assert_eq!((lru.get(&"a"), lru.get(&"big"), lru.held()), (None, Some(2), 100));
        lru.insert("big", 3, 5);
        assert_eq!((lru.get(&"big"), lru.held()), (Some(3), 5));
    }
}
