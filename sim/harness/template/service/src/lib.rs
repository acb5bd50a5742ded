//! The service: registers that one node keeps in a file. `put KEY VALUE` and `get KEY`, a line each.
//!
//! It is an ordinary service of tokio and std. `fs` and `net` are std's and tokio's own without `--cfg madsim`, and `bug!`, `failpoint!` and
//! `sometimes!` are nothing then.

use squall_host::{bug, failpoint, fs, net, sometimes};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

struct Store {
    file: fs::File,
    values: BTreeMap<String, String>,
}

impl Store {
    fn open() -> io::Result<Store> {
        let mut values = BTreeMap::new();
        // What the power left of the last line was never acknowledged.
        let text = String::from_utf8_lossy(&fs::read("ledger").unwrap_or_default()).into_owned();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            if let Some((key, value)) = line.split_once(' ') {
                values.insert(key.to_string(), value.to_string());
            }
        }
        let whole: String = values.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
        let mut file = fs::File::create("ledger.new")?;
        file.write_all(whole.as_bytes())?;
        file.sync_all()?;
        fs::rename("ledger.new", "ledger")?;
        fs::File::open(".")?.sync_all()?;
        Ok(Store { file, values })
    }

    fn put(&mut self, key: &str, value: &str) -> io::Result<()> {
        self.file.write_all(format!("{key} {value}\n").as_bytes())?;
        if !bug!("no-sync", "a write is acknowledged before it is durable") {
            self.file.sync_all()?;
        }
        self.values.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

async fn answer(store: &Mutex<Store>, line: &str) -> io::Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    Ok(match words[..] {
        ["put", key, value] => {
            store.lock().expect("no panic under this lock").put(key, value)?;
            failpoint!("before-ack", "a write is durable, and nobody knows it yet").await?;
            "ok\n".to_string()
        }
        ["get", key] => {
            let value = store.lock().expect("no panic under this lock").values.get(key).cloned();
            if value.is_none() {
                sometimes!("read-nothing", "a key is read that was never written");
            }
            format!("= {}\n", value.unwrap_or_default())
        }
        _ => "refused\n".to_string(),
    })
}

/// One node: the primary answers, the others refuse.
pub async fn run(addr: SocketAddr, is_primary: bool) -> io::Result<()> {
    let listener = net::TcpListener::bind(addr).await?;
    let store = if is_primary { Some(Arc::new(Mutex::new(Store::open()?))) } else { None };
    loop {
        let (stream, _) = listener.accept().await?;
        let store = store.clone();
        tokio::spawn(async move {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match &store {
                    Some(store) => answer(store, &line).await,
                    None => Ok("refused\n".to_string()),
                };
                let Ok(answer) = answer else { return };
                if write.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}
