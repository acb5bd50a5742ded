//! How a search came to where it is: the steps of every order that it follows, each with the one before it.

/// No order is recorded.
pub(crate) const NO_TRACE: u32 = u32::MAX;

/// A step of an order: what was before, which call, at which event.
struct Step {
    before: u32,
    call: u32,
    event: u32,
}

/// The steps of all orders, if one is wanted.
pub(crate) struct Trace {
    steps: Option<Vec<Step>>,
    /// For each call, the events at which it was invoked and returned.
    spans: Vec<(u32, u32)>,
}

impl Trace {
    pub(crate) fn new(order: bool) -> Trace {
        Trace { steps: order.then(Vec::new), spans: vec![] }
    }

    /// Room for this many calls.
    pub(crate) fn make_room(&mut self, calls: usize) {
        self.spans.resize(calls, (u32::MAX, u32::MAX));
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.steps.is_some()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.steps.as_ref().map_or(0, |steps| steps.len() * size_of::<Step>())
    }

    pub(crate) fn invoked(&mut self, call: u32, event: usize) {
        self.spans[call as usize].0 = event as u32;
    }

    pub(crate) fn returned(&mut self, call: u32, event: usize) {
        self.spans[call as usize].1 = event as u32;
    }

    /// A call happens at an event, after this step.
    #[inline]
    pub(crate) fn record(&mut self, before: u32, call: u32, event: usize) -> u32 {
        let Some(steps) = &mut self.steps else { return NO_TRACE };
        steps.push(Step { before, call, event: event as u32 });
        (steps.len() - 1) as u32
    }

    /// The order that ends with this step. Calls that were overwritten unseen are put before the one that did it.
    pub(crate) fn order(&self, last: u32, overwrites: impl Fn(u32) -> bool, returns: impl Fn(u32) -> bool) -> Vec<u32> {
        let Some(trace) = &self.steps else { return vec![] };
        let mut steps: Vec<&Step> = vec![];
        let mut at = last;
        while at != NO_TRACE {
            steps.push(&trace[at as usize]);
            at = trace[at as usize].before;
        }
        steps.reverse();
        let mut happened = vec![false; self.spans.len()];
        steps.iter().for_each(|step| happened[step.call as usize] = true);
        let mut unseen: Vec<u32> = (0..self.spans.len() as u32).filter(|call| !happened[*call as usize] && returns(*call)).collect();
        let mut order = Vec::with_capacity(self.spans.len());
        for step in steps {
            if overwrites(step.call) && !unseen.is_empty() {
                let was_open = |call: &u32| {
                    let (invoked, returned) = self.spans[*call as usize];
                    invoked < step.event && step.event <= returned
                };
                let (now, rest): (Vec<u32>, Vec<u32>) = unseen.into_iter().partition(was_open);
                order.extend(now);
                unseen = rest;
            }
            order.push(step.call);
        }
        order
    }
}
