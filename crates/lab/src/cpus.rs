//! Each machine on one CPU of this computer at a time. A User Mode Linux machine has one CPU, and its kernel and its programs are processes
//! here that take turns at every system call: a turn that passes from one CPU to another costs twice as much as one that stays. Machines are
//! moved when a CPU is idle while another has more than it can do.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How busy the busiest CPU must be before a machine leaves it, and how much busier than the idlest, as parts of its time.
const FULL: f64 = 0.9;
const APART: f64 = 0.2;

/// Which machine, by the number of its first process, runs where.
pub(crate) struct Cpus {
    /// The CPUs that this process may use.
    allowed: Vec<usize>,
    placed: BTreeMap<u32, usize>,
    before: Option<Used>,
}

/// Times since boot, in ticks: of each CPU, busy and in all; of each machine.
#[derive(Default)]
struct Used {
    cpus: BTreeMap<usize, (u64, u64)>,
    machines: BTreeMap<u32, u64>,
}

/// What one process has used (proc_pid_stat(5)).
struct Process {
    pid: u32,
    group: u32,
    ticks: u64,
}

impl Cpus {
    /// Nothing is placed yet.
    pub(crate) fn new() -> Self {
        let allowed = sched_getaffinity(None).map(|set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect());
        Self { allowed: allowed.unwrap_or_default(), placed: BTreeMap::new(), before: None }
    }

    /// Places a machine that has just begun, by the memory of those that run: `running` is each with its MiB, itself too.
    pub(crate) fn place(&mut self, machine: u32, running: &BTreeMap<u32, u32>) {
        self.placed.retain(|pid, _| running.contains_key(pid));
        let load = |cpu: usize| -> u32 { self.placed.iter().filter(|(_, c)| **c == cpu).filter_map(|(pid, _)| running.get(pid)).sum() };
        if let Some(cpu) = self.allowed.iter().copied().min_by_key(|cpu| load(*cpu)) {
            self.put(machine, cpu);
        }
    }

    /// Looks at what the machines that run used since the last look, and moves one when that helps. The number of one that has ended may be
    /// another's by now.
    pub(crate) fn balance(&mut self, running: &BTreeSet<u32>) {
        self.placed.retain(|pid, _| running.contains(pid));
        let now = Used::read();
        if let Some(before) = self.before.take() {
            let busy = self.allowed.iter().filter_map(|cpu| Some((*cpu, now.busy(*cpu, &before)?))).collect();
            let machines: Vec<_> = self.placed.iter().filter_map(|(pid, cpu)| Some((*pid, *cpu, now.part(*pid, *cpu, &before)?))).collect();
            if let Some((machine, cpu)) = better(&busy, &machines) {
                self.put(machine, cpu);
            }
        }
        self.before = Some(now);
    }

    /// All processes of a machine, the first before the others: what it makes afterwards stays where it is.
    fn put(&mut self, machine: u32, cpu: usize) {
        let mut set = CpuSet::new();
        set.set(cpu);
        let others = processes().into_iter().filter(|p| p.group == machine).map(|p| p.pid);
        for pid in threads(machine).into_iter().chain(others).filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            // One that has ended meanwhile is no loss.
            let _ = sched_setaffinity(Some(pid), &set);
        }
        self.placed.insert(machine, cpu);
    }
}

/// The machine to move and where to, if any: the one that uses most of those that leave its new CPU less busy than its old one was.
fn better(busy: &BTreeMap<usize, f64>, machines: &[(u32, usize, f64)]) -> Option<(u32, usize)> {
    let (full, most) = busy.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
    let (idle, least) = busy.iter().min_by(|a, b| a.1.total_cmp(b.1))?;
    if *most < FULL || most - least < APART {
        return None;
    }
    let there = machines.iter().filter(|(_, cpu, used)| cpu == full && *used > 0.0 && least + used < *most);
    there.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(machine, ..)| (*machine, *idle))
}

impl Used {
    fn read() -> Self {
        let mut used = Self::default();
        for line in std::fs::read_to_string("/proc/stat").unwrap_or_default().lines() {
            if let Some((cpu, ticks)) = cpu_line(line) {
                used.cpus.insert(cpu, ticks);
            }
        }
        for process in processes() {
            *used.machines.entry(process.group).or_default() += process.ticks;
        }
        used
    }

    /// The part of its time in which a CPU was busy.
    fn busy(&self, cpu: usize, before: &Self) -> Option<f64> {
        let ((busy, all), (busy_then, all_then)) = (self.cpus.get(&cpu)?, before.cpus.get(&cpu)?);
        Some(ratio(busy.saturating_sub(*busy_then), all.saturating_sub(*all_then)))
    }

    /// The part of a CPU's time that a machine had.
    fn part(&self, machine: u32, cpu: usize, before: &Self) -> Option<f64> {
        let used = self.machines.get(&machine)?.saturating_sub(*before.machines.get(&machine)?);
        Some(ratio(used, self.cpus.get(&cpu)?.1.saturating_sub(before.cpus.get(&cpu)?.1)))
    }
}

fn ratio(part: u64, all: u64) -> f64 {
    let small = |ticks: u64| f64::from(u32::try_from(ticks).unwrap_or(u32::MAX));
    small(part) / small(all).max(1.0)
}

/// A CPU's number, its busy ticks and all its ticks, from a line of /proc/stat (proc_stat(5)).
fn cpu_line(line: &str) -> Option<(usize, (u64, u64))> {
    // The sum of all has no number.
    let (cpu, words) = line.strip_prefix("cpu")?.split_once(' ')?;
    let cpu = cpu.parse().ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal
    let ticks: Vec<u64> = words.split_ascii_whitespace().take(8).filter_map(|word| word.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    Some((cpu, (all - ticks.get(3)? - ticks.get(4)?, all)))
}

/// The threads of a process.
fn threads(pid: u32) -> Vec<u32> {
    numbers(&format!("/proc/{pid}/task"))
}

fn numbers(dir: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Every process that is there, and what it and those of its children that have ended used.
fn processes() -> Vec<Process> {
    let one = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Fields 5, and 14 to 17; the first here is field 3.
        let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Process { pid, group: fields.get(2)?.parse().ok()?, ticks })
    };
    numbers("/proc").into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_machine_leaves_a_full_cpu_only_for_one_that_is_less_busy_with_it() {
        let busy = |a, b| BTreeMap::from([(0, a), (1, b)]);
        assert_eq!(better(&busy(1.0, 0.1), &[(7, 0, 0.5), (8, 0, 0.4), (9, 1, 0.1)]), Some((7, 1)));
        assert_eq!(better(&busy(1.0, 0.4), &[(7, 0, 0.7), (8, 0, 0.3)]), Some((8, 1)), "the first would only change the CPUs");
        assert_eq!(better(&busy(1.0, 0.1), &[(7, 0, 0.95)]), None, "it is alone there");
        assert_eq!(better(&busy(0.8, 0.1), &[(7, 0, 0.4), (8, 0, 0.4)]), None, "there is room");
        assert_eq!(better(&busy(1.0, 0.9), &[(7, 0, 0.05), (8, 0, 0.4)]), None, "no room anywhere");
        assert_eq!(better(&BTreeMap::new(), &[]), None);
    }

    #[test]
    fn busy_is_all_but_idle_and_waiting_for_disks() {
        assert_eq!(cpu_line("cpu1 10 1 5 100 20 2 3 4 0 0"), Some((1, (25, 145))));
        assert_eq!(cpu_line("cpu  10 1 5 100 20 2 3 4 0 0"), None, "the sum of all");
        assert_eq!(cpu_line("intr 1 2"), None);
    }

    /// Where a process may run, as proc_pid_status(5) lists it.
    fn allowed(pid: u32) -> String {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned()
    }

    #[test]
    fn a_machine_and_what_it_began_run_on_one_cpu() {
        let mut child = Command::new("sh").args(["-c", "sleep 1000 & wait"]).process_group(0).spawn().unwrap();
        let machine = child.id();
        let begun = || processes().into_iter().filter(|p| p.group == machine).map(|p| p.pid).collect::<Vec<_>>();
        while begun().len() < 2 {
            std::thread::yield_now();
        }
        let mut cpus = Cpus::new();
        cpus.place(machine, &BTreeMap::from([(machine, 1)]));
        let at = cpus.placed[&machine].to_string();
        assert!(begun().into_iter().all(|pid| allowed(pid) == at), "{at}");
        cpus.balance(&BTreeSet::from([machine]));
        cpus.balance(&BTreeSet::new());
        assert!(cpus.placed.is_empty(), "one that has ended is left alone");
        // The shell ends with its group; both are ended here.
        for pid in begun() {
            Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        }
        child.wait().unwrap();
    }

    #[test]
    fn machines_that_begin_share_the_cpus_by_their_memory() {
        let mut cpus = Cpus { allowed: vec![0, 1], placed: BTreeMap::new(), before: None };
        // Numbers of no process: nothing is moved.
        let [a, b, c] = [u32::MAX, u32::MAX - 1, u32::MAX - 2];
        let running = BTreeMap::from([(a, 2560), (b, 2048), (c, 320)]);
        for machine in [a, b, c] {
            cpus.place(machine, &running);
        }
        assert_eq!(cpus.placed, BTreeMap::from([(a, 0), (b, 1), (c, 1)]));
        cpus.place(c, &BTreeMap::from([(c, 320)]));
        assert_eq!(cpus.placed, BTreeMap::from([(c, 0)]), "those that have ended are forgotten");
    }
}
